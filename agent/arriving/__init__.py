"""What a page says beside what the ledger has: seen again, brought about by sets, paid before a restore."""
