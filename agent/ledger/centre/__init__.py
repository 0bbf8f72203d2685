"""The centre's book as this ledger mirrors it: pages of the statement that the catalogue signed."""
