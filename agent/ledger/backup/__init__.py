"""Copies of the ledger that prove themselves before they count, and putting one back."""
