"""TOML to frozen models: every default, every check, every fault with file, line and column."""
