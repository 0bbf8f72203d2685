"""The central rewards catalogue that campuses deliver to."""
