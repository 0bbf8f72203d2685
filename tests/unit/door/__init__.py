"""What systems post, and who is let in."""
