"""One suite per protocol; every implementation is one line in it."""
