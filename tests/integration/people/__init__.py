"""One person with wallets at several agents."""
