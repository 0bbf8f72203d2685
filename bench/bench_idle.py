"""An idle agent's CPU at a 1 s poll, and the time from a commit in Moodle to its ledger entry at 200 rows a second."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psutil

from agent.demo.logrow import LOG_COLUMNS, LogRow, values
from bench.agent import COMMAND, configure, ledger
from bench.frame import percentile, publish
from bench.generate import BORN_AT, generate
from bench.mariadb import mariadb
from bench.population import FIRST_USER, Population, Size
from tests.servers import MariaDatabase

RATE = 200
LOOK_S = 0.005
SETTLE_S = 60
CPU_PCT, P99_S = 1.0, 1.5
_INSERT = (
    f"INSERT INTO mdl_logstore_standard_log ({', '.join(LOG_COLUMNS)}) VALUES ({', '.join(['%s'] * len(LOG_COLUMNS))})"
)
_NEW = "SELECT entry.seq, event.position FROM entry JOIN event USING (event_no) WHERE entry.seq > ? ORDER BY entry.seq"


@contextmanager
def running(directory: Path, database: MariaDatabase) -> Iterator[psutil.Popen]:
    """The agent as a service, caught up with what was there."""
    config = configure(directory, database)
    with (directory / "output.txt").open("wb") as out:
        process = psutil.Popen([str(COMMAND), "run", "--config", str(config)], stdout=out, stderr=out, cwd=directory)
        try:
            _settle(directory, process)
            yield process
        finally:
            process.terminate()
            process.wait(30)


def _settle(directory: Path, process: psutil.Popen) -> None:
    until = time.monotonic() + SETTLE_S
    before = -1
    while time.monotonic() < until:
        assert process.poll() is None, (directory / "output.txt").read_text()[-3000:]
        time.sleep(2)
        if list((directory / "data").glob("*.db")):
            with _reading(directory) as db:
                now = db.execute("SELECT COALESCE(SUM(position), 0) FROM source_state").fetchone()[0]
            if now == before > 0:
                return
            before = now
    raise TimeoutError((directory / "output.txt").read_text()[-3000:])


@contextmanager
def _reading(directory: Path) -> Iterator[sqlite3.Connection]:
    db = ledger(directory)
    try:
        yield db
    finally:
        db.close()


def idle_pct(process: psutil.Popen, seconds: float) -> float:
    """CPU of the idle agent in percent of one core."""
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return 100 * (after.user + after.system - before.user - before.system) / seconds


def completions(population: Population, first_id: int) -> Iterator[tuple[int | str | None, ...]]:
    """Log rows of first completions, each of which some rule pays: three a day for each learner."""
    log_id = itertools.count(first_id)
    for n, user in itertools.product(range(3), range(FIRST_USER, population.learners.stop)):
        course = next(course for course in population.courses if course not in population.enrolled[user])
        cm = population.cm(course, n * 5)
        other = {"relateduserid": user, "overrideby": None, "completionstate": 1}
        row = LogRow(
            event=r"\core\event\course_module_completion_updated",
            at=int(time.time()),
            user=user,
            related=user,
            course=course,
            context=(population.cm_context(cm), 70, cm),
            object_id=1,
            other=other,
        )
        yield values(row, next(log_id))


class Writer(threading.Thread):
    """Commits one row after another at a steady rate, and remembers when each commit was done."""

    def __init__(self, database: MariaDatabase, rows: Iterator[tuple[int | str | None, ...]], seconds: float) -> None:
        super().__init__()
        self._database = database
        self._rows = rows
        self._n = int(seconds * RATE)
        self.committed: dict[int, float] = {}

    def run(self) -> None:
        """Write them all."""
        with self._database.connect() as db, db.cursor() as cursor:
            started = time.monotonic()
            for n, row in enumerate(itertools.islice(self._rows, self._n)):
                time.sleep(max(0.0, started + n / RATE - time.monotonic()))
                cursor.execute(_INSERT, row)
                self.committed[int(row[0] or 0)] = time.monotonic()


def latencies(directory: Path, writer: Writer) -> list[float]:
    """Seconds from each commit to the moment its entry could be read."""
    found: dict[int, float] = {}
    with _reading(directory) as db:
        seq = db.execute("SELECT COALESCE(MAX(seq), 0) FROM entry").fetchone()[0]
        writer.start()
        end = float("inf")
        while time.monotonic() < end and (writer.is_alive() or len(found) < len(writer.committed)):
            for newest, position in db.execute(_NEW, (seq,)).fetchall():
                seq = newest
                found.setdefault(position, time.monotonic())
            if not writer.is_alive():
                end = min(end, time.monotonic() + 20)
            time.sleep(LOOK_S)
    missing = set(writer.committed) - set(found)
    assert not missing, f"{len(missing)} rows earned nothing, {sorted(missing)[:5]} among them"
    return [found[log_id] - at for log_id, at in writer.committed.items()]


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` looks for ten seconds each."""
    seconds = 10.0 if quick else 30.0
    size = Size(rows=5_000)
    with mariadb() as server:
        database = server.create_database()
        made = generate(database, size)
        population = Population(size, Random(1), BORN_AT)  # the generator's first dice, thrown again
        directory = server.directory / "agent"
        with running(directory, database) as process:
            cpu = idle_pct(process, seconds)
            writer = Writer(database, completions(population, made.max_id + 1), seconds)
            seen = latencies(directory, writer)
    p50, p99 = percentile(seen, 0.5), percentile(seen, 0.99)
    body = (
        f"| what | figure | wanted |\n|---|---|---|\n"
        f"| CPU of the idle agent, poll every 1 s, over {seconds:.0f} s | {cpu:.2f} % of a core | < {CPU_PCT} % |\n"
        f"| commit in Moodle → entry readable, {RATE} rows/s, p50 | {p50:.3f} s | |\n"
        f"| … p99 | {p99:.3f} s | < {P99_S} s |\n"
        f"| … slowest of {len(seen):,} | {max(seen):.3f} s | |\n\n"
        "Every one of the rows earns; each is committed alone; the ledger is looked at every 5 ms."
    )
    publish("idle", "Idle, and from Moodle's commit to the ledger's", body, quick=quick)


if __name__ == "__main__":
    main()
