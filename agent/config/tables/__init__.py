"""Tables of config.toml that have a file of their own."""
