"""Months in files: written, read back, and only then let go of."""
