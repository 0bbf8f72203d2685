"""One person with several accounts: aliases, what both earned, and the entries that make one of two."""
