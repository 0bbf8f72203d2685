"""What administrators did: an append-only list."""
