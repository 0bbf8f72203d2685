"""A CSV file of events or users: read, checked cell by cell, and turned into canonical events."""
