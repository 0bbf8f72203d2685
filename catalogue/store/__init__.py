"""The catalogue's database: SQLite as the embedded default, PostgreSQL in production."""

from catalogue.store import months
from catalogue.store.base import Store, database_said, unusable

__all__ = ["Store", "database_said", "months", "unusable"]
