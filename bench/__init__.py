"""Benchmarks, each with its bare limit beside it in the same run."""
