"""Deterministic simulation: a whole system in one process under virtual time, its faults drawn from a seed."""
