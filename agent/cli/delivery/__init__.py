"""Commands about the catalogue: becoming known to it, the key, and delivery."""
