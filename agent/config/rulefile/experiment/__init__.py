"""`[experiment.NAME]`: a share of the learners is kept out of some rules for a time, to see what these come to."""
