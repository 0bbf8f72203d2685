"""Persons with wallets at several agents: told of, and heard of."""
