"""Wallets: the central ledger, what follows from it, and what moves it besides the agents."""
