"""Badges where no page is taken: what follows from a correction, and what people give and take by hand."""
