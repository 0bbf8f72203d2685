"""Ledgers that every earlier schema's own program made, and that they are upgraded without a point paid twice."""
