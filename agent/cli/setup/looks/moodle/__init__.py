"""How Moodle itself is run, as far as its database shows it."""
