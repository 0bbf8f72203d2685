"""Copies of the whole catalogue."""
