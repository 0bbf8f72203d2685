"""Listening over HTTP, hardened once for everything in the agent that does."""
