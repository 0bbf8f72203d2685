"""Lots in the ledger: the terms they were opened under, the statement of what expired, and both folded."""
