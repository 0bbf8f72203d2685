"""Scheduled rewards carried out: what is due, what it waits for, and each run in one transaction."""
