"""`rewards-agent challenge …`."""
