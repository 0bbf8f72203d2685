"""What must hold between a table of rules.toml and the rest of the files, a file for each table."""
