"""A share of the learners is kept out of rules for a time: who, what is told of it, and what it showed. Pure."""
