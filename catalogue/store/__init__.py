"""The catalogue's database: SQLite as the embedded default, PostgreSQL in production."""

from catalogue.store import months
from catalogue.store.base import Store

__all__ = ["Store", "months"]
