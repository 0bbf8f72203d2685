"""A challenge as a way of earning from a set: what is kept of an act, what is counted, what is said. Pure."""
