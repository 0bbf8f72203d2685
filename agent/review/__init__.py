"""What people say to decisions that wait: approved, rejected, and what a rejection sets free."""
