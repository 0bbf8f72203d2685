"""Recorded events that later ones are compared with: states, and posts that lack something."""
