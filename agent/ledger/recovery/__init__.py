"""A ledger rebuilt from what its catalogue acknowledged, and recognising what it paid when the log is read again."""
