"""Catching up on the same million log rows from PostgreSQL, against the agent catching up from MariaDB."""

from __future__ import annotations

from bench.bench_catchup import MEMORY_MB, Ours
from bench.frame import alternate, publish
from bench.generate import generate
from bench.mariadb import mariadb
from bench.population import Size
from tests.servers import running_postgres

AT_LEAST = 1.0
OPTIONS = ("shared_buffers=1GB", "max_wal_size=4GB")


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` reads a tenth, once."""
    size = Size(rows=100_000) if quick else Size()
    with mariadb() as maria, running_postgres(*OPTIONS) as postgres:
        drains = [Ours(database, size.rows) for database in (maria.create_database(), postgres.create_database())]
        for drain in drains:
            generate(drain.database, size)
        outcome = alternate("rows", *drains, repeats=1 if quick else 3)
    beside, ours = (drain.paid for drain in drains)
    assert beside == ours, f"they are paid alike: {beside}; {ours}"
    body = [
        outcome.table(),
        f"Wanted: at least {AT_LEAST}, at most {MEMORY_MB} MB; bare is the agent itself, reading MariaDB.",
        f"{size.rows:,} rows in both; {ours}, the same from both.",
    ]
    publish("postgres", f"Catching up on {size.rows:,} log rows from PostgreSQL", "\n\n".join(body), quick=quick)


if __name__ == "__main__":
    main()
