"""Moodle's state tables, read slowly for what the log missed; a source of its own, so that it never slows the log."""
