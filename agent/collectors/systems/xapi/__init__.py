"""xAPI statements: what they mean, and the ISO 8601 durations in them."""
