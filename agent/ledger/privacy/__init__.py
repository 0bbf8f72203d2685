"""What the ledger holds about one person: told table by table, and taken away table by table."""
