"""A long day of one campus in real processes: eight hours compressed, with everything that goes wrong on a machine."""
