"""Moodle's web services: what posts lack is looked up, and what no post told is found. For sites without a database."""
