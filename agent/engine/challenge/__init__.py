"""Challenges: steps that are awarded as one, decided from the set of what was done. Pure."""
