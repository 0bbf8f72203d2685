"""`archive list|make|verify|drop|load`."""
