"""What agents do and read of recognition, and what their entries put on record."""
