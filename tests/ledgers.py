"""Real ledgers for tests: opened in a directory, filled, looked at, and tampered with behind the agent's back."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from agent.ledger import file, verify
from agent.ledger.record import Recorder, totals
from agent.ledger.rules import versions
from agent.ledger.writer import Writer
from agent.model import Decision, Event
from tests.builders import NOW, RULES_VERSION, awards_for, some_events

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """An open ledger as the pipeline has it."""

    writer: Writer
    recorder: Recorder
    data_dir: Path

    async def run(self, unit: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """One unit of the writer."""
        return await self.writer.run(unit)

    async def take(self, events: Sequence[Event], decisions: Sequence[Decision], *, now: int = NOW) -> int:
        """Record what is fresh of a page; returns entries appended."""
        return await self.run(page(self.recorder, events, decisions, now=now))

    async def pay(self, n: int, first: int = 1) -> None:
        """Record ``n`` events with an award each."""
        events = some_events(n, first)
        await self.take(events, awards_for(events))

    def reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A read-only connection."""
        return file.reading(self.data_dir)


def steps_of(connection: sqlite3.Connection, ask: Callable[[], T]) -> tuple[T, int]:
    """What a question is answered, and the tens of steps that SQLite needs for it."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.set_progress_handler(step, 10)
    answer = ask()
    connection.set_progress_handler(None, 0)
    return answer, steps


def page(
    recorder: Recorder, events: Sequence[Event], decisions: Sequence[Decision], *, now: int = NOW
) -> Callable[[aiosqlite.Connection], Awaitable[int]]:
    """The unit that records what is fresh of a page."""

    async def unit(connection: aiosqlite.Connection) -> int:
        version_no = await versions.keep(connection, RULES_VERSION, "schema = 1\n", now)
        await totals.keep(connection, ["budget:points/week"])
        fresh = await recorder.fresh(connection, events)
        known = {event.event_id for event in fresh}
        wanted = [decision for decision in decisions if decision.event_id in known]
        return await recorder.record(connection, fresh, wanted, version_no=version_no, now=now)

    return unit


@asynccontextmanager
async def opened(data_dir: Path) -> AsyncIterator[Ledger]:
    """A ledger in ``data_dir``, made where there is none."""
    writer = await Writer.open(data_dir)
    recorder = Recorder()
    writer.on_rollback(recorder.forget)
    try:
        yield Ledger(writer=writer, recorder=recorder, data_dir=data_dir)
    finally:
        await writer.close()


def content(data_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in order."""
    with file.reading(data_dir) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for (name,) in tables.fetchall()}


@contextlib.contextmanager
def behind_its_back(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """A connection of somebody who may write the file and has dropped what guards the entries."""
    with contextlib.closing(sqlite3.connect(file.ledger_path(data_dir), isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        yield connection


def found(data_dir: Path) -> list[str]:
    """What `verify` finds, as texts `seq: what`."""
    with file.reading(data_dir) as connection:
        return [f"{finding.seq}: {finding.what}" for finding in verify.verify(connection).findings]


def rows(data_dir: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """The answer to one query, read-only."""
    with file.reading(data_dir) as connection:
        return connection.execute(sql, values).fetchall()
