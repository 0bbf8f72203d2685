"""Commands for whoever answers "why did I get nothing?": events and learners, in sentences."""
