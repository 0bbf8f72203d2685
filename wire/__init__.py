"""What agent and catalogue must agree on to the byte; imports neither."""
