"""`rewards-agent import …`."""
