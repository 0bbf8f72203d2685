"""What scheduled runs read of the ledger, and what is kept of them."""
