"""A private MariaDB with room for a benchmark, and the fast way to fill its tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.servers import MariaDatabase, MariaDB, running_mariadb

OPTIONS = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M", "--local-infile=1")


@contextmanager
def mariadb() -> Iterator[MariaDB]:
    """A fresh server whose buffer pool holds the benchmark's tables; gone at the end."""
    with running_mariadb(*OPTIONS) as server:
        yield server


def _field(value: object) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    return str(value)


def load(database: MariaDatabase, table: str, columns: Sequence[str], rows: Iterator[tuple[object, ...]]) -> int:
    """Fill ``table`` from ``rows`` by LOAD DATA LOCAL; gives how many there were."""
    path = database.server.directory / f"{table}.tsv"
    n = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for n, row in enumerate(rows, 1):  # noqa: B007 - n is how many
            out.write("\t".join(map(_field, row)) + "\n")
    with database.connect(local_infile=True) as db, db.cursor() as cursor:
        cursor.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0")
        names = ", ".join(f"`{name}`" for name in columns)
        cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4 ({names})")
    path.unlink()
    return n
