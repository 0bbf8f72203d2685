"""Moodle asked by web services, as a look-up and as a source."""
