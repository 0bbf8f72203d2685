"""Badges as credentials that anybody can check: Open Badges 3.0, signed as JWTs by a key of the campus's own."""
