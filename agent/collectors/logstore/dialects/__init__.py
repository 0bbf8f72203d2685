"""One file per database dialect behind the seam of `database.py`."""
