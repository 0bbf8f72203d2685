"""CSV files: how they are read, what is checked, what is told."""
