"""Puts together what the other packages make: the only place that names concrete classes."""
