"""Times at which something is due."""
