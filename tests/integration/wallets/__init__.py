"""The central ledger and its wallets, on SQLite and on PostgreSQL."""
