"""`rewards-agent backup` and `restore`."""
