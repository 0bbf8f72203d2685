"""Erasing somebody: out of the ledger, the inbox and every copy, with a mark that keeps them from coming back."""
