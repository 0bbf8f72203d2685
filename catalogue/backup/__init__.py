"""Copies of the whole catalogue that prove themselves before they count, and putting one back."""
