"""What is told of persons: by what they are known, and what they are called."""
