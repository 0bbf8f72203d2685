"""What of `[[scheduled]]` only several keys together show."""
