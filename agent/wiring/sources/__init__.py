"""The readers of the configured sources: of log tables, of state tables, of web services."""
