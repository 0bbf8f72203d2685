"""Catching up on a million log rows, against bare pymysql reading the same rows whole in pages of 1,000."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

from bench.agent import COMMAND, configure, ledger
from bench.filling import AnyDatabase
from bench.frame import Sample, Watched, alternate, publish, timed, watch
from bench.generate import generate
from bench.mariadb import mariadb
from bench.population import Size
from tests.servers import MariaDatabase

PAGE_ROWS = 1_000
AT_LEAST, MEMORY_MB = 0.5, 150


def bare(database: MariaDatabase) -> Callable[[], Sample]:
    """Reads every row with all 21 columns, by primary key."""

    def work() -> int:
        rows, position = 0, 0
        with database.connect(autocommit=False) as db, db.cursor() as cursor:
            while True:
                cursor.execute(
                    "SELECT * FROM mdl_logstore_standard_log WHERE id > %s ORDER BY id LIMIT %s", (position, PAGE_ROWS)
                )
                page = cursor.fetchall()
                if not page:
                    return rows
                rows += len(page)
                position = page[-1][0]

    return lambda: timed(work)


class Ours:
    """Runs the agent on an empty data directory until it has caught up; keeps what was seen of its memory."""

    def __init__(self, database: AnyDatabase, rows: int) -> None:
        self.database = database
        self._rows = rows
        self.runs: list[Watched] = []
        self.paid = ""

    def __call__(self, reconcile: str = "off") -> Sample:
        """One run from nothing; ``reconcile`` as in the configuration."""
        directory = self.database.server.directory / "agent"
        shutil.rmtree(directory, ignore_errors=True)
        config = configure(directory, self.database, reconcile=reconcile)
        run = watch([COMMAND, "run", "--until-caught-up", "--config", config], cwd=directory)
        assert run.returncode == 0, run.output[-3000:]
        self.runs.append(run)
        self.paid = _paid(directory)
        return Sample(units=self._rows, wall_s=run.wall_s, cpu_s=run.cpu_s, peak_mb=max(run.memory_mb))


def _paid(directory: Path) -> str:
    db = ledger(directory)
    events, decisions, entries = (
        db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("event", "decision", "entry")
    )
    db.close()
    return f"{events:,} events wanted by the rules, {decisions:,} decisions, {entries:,} entries"


def _quarters(run: Watched) -> str:
    n = max(1, len(run.memory_mb) // 4)
    parts = [run.memory_mb[i * n : (i + 1) * n] or run.memory_mb[-1:] for i in range(4)]
    return " → ".join(f"{statistics.mean(part):.0f}" for part in parts)


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` reads a tenth, once."""
    size = Size(rows=100_000) if quick else Size()
    with mariadb() as server:
        database = server.create_database()
        made = generate(database, size)
        ours = Ours(database, made.rows)
        outcome = alternate("rows", bare(database), ours, repeats=1 if quick else 3)
        last = ours.runs[-1]
        whole = ours("15m")
    body = [
        outcome.table(),
        f"Wanted: at least {AT_LEAST}, at most {MEMORY_MB} MB.",
        f"{made.rows:,} rows, newest id {made.max_id:,}; {ours.paid}.",
        f"Ours is the whole process, start and look-ups included. Resident MB, run in quarters: {_quarters(last)}.",
        (
            f"{whole.wall_s:.0f} s in all, {whole.peak_mb:.0f} MB at most, with the first walk through the states "
            "after it (`reconcile`, which is on by default)."
        ),
    ]
    publish(
        "catchup", f"Catching up on {made.rows:,} log rows (MariaDB, example rules)", "\n\n".join(body), quick=quick
    )


if __name__ == "__main__":
    main()
