"""Scheduled rewards over real ledgers."""
