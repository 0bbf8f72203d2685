"""How a benchmark's database is made and filled, on each kind of server that a Moodle stands on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from agent.demo.schema import mariadb_ddl, postgres_ddl
from tests.servers import MariaDatabase, PostgresDatabase

AnyDatabase = MariaDatabase | PostgresDatabase
Rows = Iterator[tuple[object, ...]]


class Filling(Protocol):
    """An empty database, from its first table to the account that may read it."""

    def make(self) -> None:
        """Make Moodle's tables."""
        ...

    def load(self, table: str, columns: Sequence[str], rows: Rows) -> int:
        """Fill ``table``, the fast way; gives how many rows there were."""
        ...

    def done(self) -> None:
        """Let the server look at what it has, and the agent's account read it."""
        ...


def filling_of(database: AnyDatabase) -> Filling:
    """How this one is filled."""
    return _Maria(database) if isinstance(database, MariaDatabase) else _Postgres(database)


class _Maria:
    def __init__(self, database: MariaDatabase) -> None:
        self._database = database

    def make(self) -> None:
        for statement in mariadb_ddl():
            self._database.execute(statement)

    def load(self, table: str, columns: Sequence[str], rows: Rows) -> int:
        path = self._database.server.directory / f"{table}.tsv"
        n = _written(path, rows)
        with self._database.connect(local_infile=True) as db, db.cursor() as cursor:
            cursor.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0")
            names = ", ".join(f"`{name}`" for name in columns)
            cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4 ({names})")
        path.unlink()
        return n

    def done(self) -> None:
        for (table,) in self._database.execute("SHOW TABLES"):
            self._database.execute(f"ANALYZE TABLE {table}")
        self._database.grant_reader()


class _Postgres:
    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def make(self) -> None:
        self._database.execute(";\n".join(postgres_ddl()))

    def load(self, table: str, columns: Sequence[str], rows: Rows) -> int:
        path = self._database.server.directory / f"{table}.tsv"
        n = _written(path, rows)
        names = ", ".join(f'"{name}"' for name in columns)
        self._database.execute(f"\\copy {table} ({names}) FROM '{path}'")
        path.unlink()
        return n

    def done(self) -> None:
        self._database.execute("VACUUM ANALYZE")
        self._database.grant_reader()


def _written(path: Path, rows: Rows) -> int:
    r"""The rows in a file as both servers read it: tabs between fields, \N for NULL; how many there were."""
    n = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for n, row in enumerate(rows, 1):  # noqa: B007 - n is how many
            out.write("\t".join(map(_field, row)) + "\n")
    return n


def _field(value: object) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    return str(value)
