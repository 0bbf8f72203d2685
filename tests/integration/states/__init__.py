"""The reading of state tables, against real databases."""
