"""Months: what grows is parted by them on PostgreSQL, and old ones go into files."""
