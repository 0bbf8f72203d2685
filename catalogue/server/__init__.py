"""The service: the door, and what is done again and again beside it."""

from catalogue.server.serving import load_key, serve

__all__ = ["load_key", "serve"]
