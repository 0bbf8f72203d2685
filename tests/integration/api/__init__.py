"""Reading the catalogue over HTTP, on SQLite and on PostgreSQL."""
