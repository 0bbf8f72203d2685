"""Commands that go back over what was: previewed on a copy, carried out page by page by whoever holds the ledger."""
