"""Redeeming on campus: a learner's wish goes to the catalogue under a pseudonym, and comes true once."""
