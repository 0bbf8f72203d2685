"""Lines of the table of facts, a file for each source of them."""
