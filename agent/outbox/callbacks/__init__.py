"""Callbacks: what happens in the ledger told to others, signed, in order, at least once."""
