"""When something is due, and for whom at another time."""
