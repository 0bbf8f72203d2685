"""Kudos and awards at the centre, on each database."""
