"""What lies in the data directory: whose files they are, and whether they hold together."""
