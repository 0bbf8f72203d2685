"""What happened before, decided again: for one rule that came later, or by all of today's rules."""
