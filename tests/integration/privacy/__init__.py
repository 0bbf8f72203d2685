"""What is held about one person: told, taken away, and kept from coming back."""
