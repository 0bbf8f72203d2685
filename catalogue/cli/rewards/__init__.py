"""`reward …` and `codes …`."""
