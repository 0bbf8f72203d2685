"""REMEMBER: one writer, one file, entries that are never changed."""
