"""Every row rewardable: the pipeline from observations to committed entries, against bare durable executemany.

The bare side writes the very same rows into the same tables of an identical copy of the ledger, page by page and by
turns with ours; measured with 20,000 and with 2,000,000 entries already there.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import psutil

from agent.arriving.tally import Tally
from agent.clock import SystemClock
from agent.ledger import file
from agent.ledger.record import Recorder
from agent.ledger.writer import Writer
from agent.model import Page, SourceState, Trust
from agent.pipeline import Pipeline
from agent.service.tail import Tail
from bench.frame import Comparison, Sample, publish
from bench.workload import PAGE_ROWS, RULES, SOURCE, pages, rulebook
from machine.interpreter import at_work

AT_LEAST, GROWTH_MAX = 0.5, 2.0
PAGES_AT_ONCE = 30
"""So many that what is written to the log is brought into the file within every run, on both sides."""
_NUMBERED = {"person": "person_no", "event": "event_no", "decision": "decision_no", "entry": "seq"}
_BALANCE = (
    "INSERT INTO balance VALUES (?, ?, ?, ?) ON CONFLICT (person_no, currency) DO UPDATE "
    "SET amount = amount + excluded.amount, lifetime = lifetime + excluded.lifetime"
)
_STATE = "INSERT OR REPLACE INTO source_state SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?))"


Rows = dict[str, list[tuple[Any, ...]]]
"""What one page wrote, by table."""


class Bare:
    """The copy: takes the rows of one page in one durable transaction."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in file.WRITER_PRAGMAS:
            self._db.execute(pragma)

    def write(self, rows: dict[str, list[tuple[Any, ...]]]) -> float:
        """Write them; gives the seconds it took."""
        statements = {
            table: f"INSERT INTO {table} VALUES ({', '.join('?' * len(found[0]))})"
            for table, found in rows.items()
            if found and table not in ("balance", "source_state")
        }
        started = time.perf_counter()
        self._db.execute("BEGIN IMMEDIATE")
        for table, sql in statements.items():
            self._db.executemany(sql, rows[table])
        self._db.executemany(_BALANCE, rows["balance"])
        self._db.executemany(_STATE, rows["source_state"])
        self._db.execute("COMMIT")
        return time.perf_counter() - started

    def close(self) -> None:
        """Close the copy."""
        self._db.close()


def newest(db: sqlite3.Connection) -> dict[str, int]:
    """The newest number of each numbered table."""
    sql = "SELECT COALESCE(MAX({}), 0) FROM {}"
    return {table: db.execute(sql.format(number, table)).fetchone()[0] for table, number in _NUMBERED.items()}


def written(db: sqlite3.Connection, marks: Sequence[dict[str, int]]) -> list[Rows]:
    """What each page wrote; ``marks`` are the newest numbers before the first page, between pages, after the last."""
    state = db.execute("SELECT * FROM source_state").fetchall()
    first, last = marks[0]["entry"], marks[-1]["entry"]
    uses = db.execute("SELECT * FROM quota_use WHERE seq > ? AND seq <= ?", (first, last)).fetchall()
    pages: list[Rows] = []
    for before, after in pairwise(marks):
        rows: Rows = {
            table: db.execute(
                f"SELECT {_columns(db, table)} FROM {table} WHERE {number} > ? AND {number} <= ? ORDER BY {number}",
                (before[table], after[table]),
            ).fetchall()
            for table, number in _NUMBERED.items()
        }
        rows["quota_use"] = sorted(use for use in uses if before["entry"] < use[6] <= after["entry"])
        rows["balance"] = _moved(rows["entry"])
        rows["source_state"] = state
        pages.append(rows)
    return pages


def _columns(db: sqlite3.Connection, table: str) -> str:
    """Those that are written; what SQLite works out of them is not among them."""
    return ", ".join(name for _, name, *_ in db.execute(f"PRAGMA table_info({table})"))


def _moved(entries: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    moved: dict[tuple[int, str], int] = {}
    for _, body, _, person_no, *_ in entries:
        fields = orjson.loads(body)
        key = (person_no, fields["currency"])
        moved[key] = moved.get(key, 0) + fields["amount"]
    return sorted((*key, amount, amount) for key, amount in moved.items())


@asynccontextmanager
async def pipeline(data_dir: Path) -> AsyncIterator[Pipeline]:
    """The real pipeline on a ledger in ``data_dir``, in a process set as the agent's is."""
    data_dir.mkdir(parents=True, exist_ok=True)
    writer = await Writer.open(data_dir)
    recorder = Recorder()
    writer.on_rollback(recorder.forget)
    made = Pipeline(
        writer,
        recorder,
        data_dir=data_dir,
        ceilings={SOURCE: Trust.server_verified},
        compile_text=rulebook,
        clock=SystemClock(),
        shadow=False,
    )
    try:
        await made.adopt(rulebook(RULES), RULES)
        with at_work():
            yield made
    finally:
        await writer.close()


class Bench:
    """One ledger that grows, and its copy, measured where asked."""

    def __init__(self, directory: Path) -> None:
        self._ours = directory / "ours"
        self._copy = directory / "copy.db"
        self._done = 0
        self._version = rulebook(RULES).version

    async def grow(self, entries: int) -> None:
        """Fill the ledger up to ``entries`` by the pipeline itself."""
        async with pipeline(self._ours) as made:
            for page in pages(self._done, entries - self._done, self._version):
                await made.take(page)
        self._done = entries

    async def measure(self, *, pages_at_once: int, repeats: int) -> Comparison:
        """Ours and bare by turns, ``pages_at_once`` pages each."""
        shutil.copyfile(file.ledger_path(self._ours), self._copy)
        bare = Bare(self._copy)
        ours_runs: list[Sample] = []
        bare_runs: list[Sample] = []
        with closing(file.open_for_reading(self._ours)) as reader:
            async with pipeline(self._ours) as made:
                for _ in range(repeats):
                    sample, rows = await self._take(made, reader, pages_at_once)
                    ours_runs.append(sample)
                    bare_runs.append(_write(bare, rows))
        bare.close()
        return Comparison(unit="entries", bare=tuple(bare_runs), ours=tuple(ours_runs))

    async def _take(self, made: Pipeline, reader: sqlite3.Connection, n: int) -> tuple[Sample, list[Rows]]:
        """``n`` pages as the service takes them: the next one is at hand while one is being written."""
        ready = list(pages(self._done, n * PAGE_ROWS, self._version))
        self._done += n * PAGE_ROWS
        marks = [newest(reader)]

        def on_page(_page: Page, tally: Tally) -> None:
            assert tally.entries == PAGE_ROWS, f"every row is paid, but {tally}"
            marks.append(newest(reader))

        tail = Tail(source=Ready(ready), ledger=made, demand=made.demand, clock=SystemClock(), on_page=on_page)
        started, cpu = time.perf_counter(), time.process_time()
        assert await tail.run(follow=False) is None
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        memory = psutil.Process().memory_info().rss / 1e6
        return Sample(units=n * PAGE_ROWS, wall_s=wall, cpu_s=cpu, peak_mb=memory), written(reader, marks)


class Ready:
    """A source whose pages are all there."""

    name = SOURCE

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages

    async def pages(self, _state: SourceState, _demand: object, *, follow: bool) -> AsyncIterator[Page]:
        """All of them, in order."""
        assert not follow
        for page in self._pages:
            yield page

    async def close(self) -> None:
        """Nothing is open."""


def _write(bare: Bare, rows: list[Rows]) -> Sample:
    cpu = time.process_time()
    wall = sum(bare.write(page) for page in rows)
    return Sample(units=sum(len(page["entry"]) for page in rows), wall_s=wall, cpu_s=time.process_time() - cpu)


async def run(sizes: tuple[int, ...], *, pages_at_once: int, repeats: int) -> list[Comparison]:
    """A comparison for each size of ledger."""
    with tempfile.TemporaryDirectory(prefix="rewards-bench-ledger-") as name:
        bench = Bench(Path(name))
        outcomes = []
        for size in sizes:
            await bench.grow(size)
            outcomes.append(await bench.measure(pages_at_once=pages_at_once, repeats=repeats))
    return outcomes


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` stops at 100,000 entries."""
    sizes = (20_000, 100_000) if quick else (20_000, 2_000_000)
    outcomes = asyncio.run(run(sizes, pages_at_once=5 if quick else PAGES_AT_ONCE, repeats=2 if quick else 5))
    body = []
    for size, outcome in zip(sizes, outcomes, strict=True):
        body.append(f"With {size:,} entries already there:\n\n{outcome.table()}")
    rates = [statistics.median(sample.rate for sample in outcome.ours) for outcome in outcomes]
    body.append(
        f"An event costs {1e6 / rates[0]:.0f} µs at {sizes[0]:,} entries and {1e6 / rates[-1]:.0f} µs at "
        f"{sizes[-1]:,}, engine included: **{rates[0] / rates[-1]:.2f}×**. "
        f"Wanted: ratios of at least {AT_LEAST}, growth of at most {GROWTH_MAX}×."
    )
    publish("ledger", "Every row rewardable: pipeline against bare durable executemany", "\n\n".join(body), quick=quick)


if __name__ == "__main__":
    main()
