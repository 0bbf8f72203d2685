"""The ledger as a stream of what can be told: entries by their seq, and between them decisions by their number."""
