"""Sources that are asked, against real HTTP servers that answer as the vendors document it."""
