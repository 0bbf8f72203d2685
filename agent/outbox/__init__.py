"""DELIVER: readers of the ledger, each with how far it is confirmed."""
