"""The tables of rules.toml beside `[[rule]]`, a file for each thing that they declare."""
