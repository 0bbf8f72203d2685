"""Redemptions from the shelf to the voucher, on SQLite and on PostgreSQL."""
