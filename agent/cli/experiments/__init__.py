"""Experiments: which there are, and what they showed."""
