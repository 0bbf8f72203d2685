"""One module at a time, values in and values out."""
