"""What a campus says of recognition."""
