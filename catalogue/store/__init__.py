"""The catalogue's database: SQLite as the embedded default, PostgreSQL in production."""

from catalogue.store import months
from catalogue.store.base import Store
from catalogue.store.faults import database_said, remedy, unusable

__all__ = ["Store", "database_said", "months", "remedy", "unusable"]
