"""`decisions_keep`: acts that nothing came of are forgotten in time, unless something still needs them.

And `payloads_keep` where no source reads its posts any more.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import aiosqlite
import structlog

from agent.clock import Clock
from agent.collectors.inbox import forsaken
from agent.engine.rulebook import Rulebook
from agent.engine.schedule.compiling import ENROLLED
from agent.engine.timing.timetable import utc
from agent.errors import RewardsError
from agent.ledger import file
from agent.ledger.centre import said
from agent.ledger.privacy import retention
from agent.ledger.privacy.retention import Old
from agent.ledger.privacy.statements import every_page_anew_if_due
from agent.ledger.schedule import datasets
from agent.ledger.schedule.datasets import AsOf
from agent.ledger.writer import Writer
from agent.pipeline import Pipeline
from agent.schedule import due

log = structlog.get_logger()

LOOK_S = 6 * 3_600.0
"""Between two looks, in seconds of the running machine."""
FIRST_LOOK_S = 60.0
"""How long after its start an agent looks first: it has more urgent things to do."""


class Forgetting:
    """Forgets acts older than ``keep_s`` seconds, and posts older than ``posts_keep_s`` of others than ``posting``."""

    def __init__(
        self,
        writer: Writer,
        pipeline: Pipeline,
        clock: Clock,
        *,
        data_dir: Path,
        keep_s: int,
        posts_keep_s: int,
        posting: Collection[str],
    ) -> None:
        self._writer = writer
        self._pipeline = pipeline
        self._clock = clock
        self._data_dir = data_dir
        self._keep_s = keep_s
        self._posts_keep_s = posts_keep_s
        self._posting = posting

    async def run(self) -> None:
        """Look for ever. What cannot be done now is told and done later; a fault of this program ends it."""
        await asyncio.sleep(FIRST_LOOK_S)
        while True:
            try:
                await self.look()
            except RewardsError as exc:
                log.error("forgetting_trouble", trouble=exc.message, do=exc.hint)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> int:
        """Forget everything that may go now, and what those are called who never earned; how many acts."""
        await self._writer.alone(every_page_anew_if_due)
        now = self._clock.now()
        await asyncio.to_thread(forsaken.forget, self._data_dir, self._posting, before=now - self._posts_keep_s)
        await self._writer.run(partial(said.forget, before=now - self._keep_s))
        gone = await asyncio.to_thread(self._due)
        for first in range(0, len(gone), retention.AT_ONCE):
            await self._writer.run(partial(self._forget, gone=gone[first : first + retention.AT_ONCE]))
        if gone:
            log.info("acts_forgotten", acts=len(gone), newest=utc(gone[-1].occurred_at))
        return len(gone)

    async def _forget(self, connection: aiosqlite.Connection, *, gone: list[Old]) -> None:
        await retention.forget(connection, gone)
        await self._pipeline.whose.read(connection)

    def _due(self) -> list[Old]:
        rulebook = self._pipeline.rulebook
        with file.reading(self._data_dir) as connection:
            newest = retention.newest_act(connection)
            if newest is None:
                return []
            # A clock that is years ahead must not make a campus forget its past: what others told bounds it.
            before = min(self._clock.now(), newest) - self._keep_s
            before = min((before, *_looked_at(connection, rulebook)))
            pinned = set(_first_acts(connection, rulebook, before))
            return retention.due(connection, before=before, pinned=pinned)


def _looked_at(connection: sqlite3.Connection, rulebook: Rulebook) -> Iterator[int]:
    """From when on acts are still needed: scheduled rewards look at a span of them, however short they are kept."""
    runs = [*due.next_runs(connection, rulebook), *(each for each, _ in due.again(connection, rulebook))]
    for run in runs:
        spec = run.timed.spec
        by_entries = spec.among is not None and spec.among.by.how == "earned"
        if spec.anniversary is None and not by_entries:
            yield run.span.begin - (spec.inactivity.for_.seconds if spec.inactivity is not None else 0)


def _first_acts(connection: sqlite3.Connection, rulebook: Rulebook, before: int) -> Iterator[bytes]:
    """The acts that anniversaries are counted from."""
    _, event = datasets.newest(connection)
    of = AsOf(seq=0, event=event, begins=0, ends=before)
    for timed in rulebook.scheduled:
        if timed.spec.anniversary is not None:
            kind = ENROLLED if timed.spec.anniversary.of == "enrolment" else ""
            firsts = datasets.outermost(connection, of, which="first", role=timed.spec.recipient, kind=kind)
            yield from (first.event_id for _, first in firsts)
