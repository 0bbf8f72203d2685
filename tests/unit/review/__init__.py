"""What people say to decisions that wait."""
