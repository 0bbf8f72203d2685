"""Whole systems by seed: deterministic simulation, kept small enough for every change."""
