"""Listening over HTTP, hardened once for everything of ours that does."""
