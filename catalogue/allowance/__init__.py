"""Vouchers that were made beforehand for an agent that may be offline when they are wanted."""
