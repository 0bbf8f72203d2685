"""What happened before, decided again."""
