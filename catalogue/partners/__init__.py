"""Partners: who makes vouchers for us, how orders reach them, and what becomes of those that nobody answers."""
