"""Commands about persons with wallets at several agents."""
