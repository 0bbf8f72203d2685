"""What a month comes to, closed for good, and what is owed to learners."""
