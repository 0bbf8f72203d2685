"""What a walk through a site looks at, what it finds, and what of that was copied there; all of it pure."""
