"""What the ledger recorded, read again in order: for simulations, and for rules that came later."""
