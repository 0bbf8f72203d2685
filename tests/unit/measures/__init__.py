"""Measures of analysts, piece by piece."""
