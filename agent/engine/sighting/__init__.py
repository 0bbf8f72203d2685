"""What a second look at the same fact adds."""
