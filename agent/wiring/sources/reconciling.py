"""Three books compared: the LMS's log, the ledger, and what the catalogue has, with the first difference named."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiosqlite

from agent.arriving import sighted
from agent.arriving.spared import left_by_its_person, spared
from agent.clock import Clock
from agent.collectors.logstore.collector import LogstoreCollector
from agent.config.settings import LogSource, Settings
from agent.engine import trust
from agent.engine.rulebook import Rulebook
from agent.engine.sighting.again import each_once as once_each
from agent.engine.timing.timetable import utc
from agent.errors import ConfigError, IntegrityError
from agent.ledger import delivery, file, sources
from agent.ledger.merging import aliases
from agent.ledger.merging.aliases import Aliases
from agent.ledger.past import again
from agent.ledger.privacy import retention
from agent.ledger.privacy.retention import Forgotten
from agent.ledger.record import erased
from agent.ledger.record.erased import Erased
from agent.model import Event, Page, SourceState
from agent.outbox import succession
from agent.outbox.recovery.asking import Asking
from agent.wiring.enrolling import client_of
from agent.wiring.restoring import UNPLACED
from agent.wiring.sources.options import logstore_options
from wire import chain
from wire.keeping import SumKey, add_up

_BETWEEN = "SELECT body FROM entry WHERE seq > ? AND seq <= ? ORDER BY seq"
_SPANS = """
SELECT CAST(v.payload AS TEXT) ->> 'e', min(v.position), max(v.position)
FROM event v JOIN name n ON n.no = v.source_no WHERE n.text = ? GROUP BY 1
"""
"""From where to where acts of each name were recorded: what the rules did not ask for at the time is no difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Ledger and catalogue. ``rows`` are (day, rule, currency) → (count, sum) in the ledger and at the catalogue.

    ``upto`` is the newest entry that both have; ``aside`` counts entries that the catalogue has set aside.
    """

    upto: int
    waiting: int
    aside: int
    rows: Mapping[SumKey, tuple[tuple[int, int], tuple[int, int]]]
    first: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One source and the ledger: wanted acts up to where it is read, those recorded, those of before the rules.

    ``absent`` are of those who were erased, take no part or were deleted.
    """

    source: str
    acts: int
    recorded: int
    before_the_rules: int
    forgotten: int
    absent: int
    missing: int
    first: str = ""


async def books(settings: Settings, clock: Clock) -> Books:
    """Compare every entry that the catalogue has with the ledger's own, and what both come to.

    Raises:
        ConfigError: there is no catalogue, this agent is not enrolled, or it is refused.
        TransientError: the catalogue does not answer.
        IntegrityError: an answer is not the catalogue's.
    """
    client = client_of(settings, clock)
    if client is None:
        raise ConfigError(f"{settings.path} has no [catalogue]", hint="without one there are only two books")
    with file.reading(settings.agent.data_dir) as connection:
        async with client, _connected(settings) as reading:
            who = await delivery.identity(reading)
            if who is None:
                raise ConfigError("this agent is not enrolled yet", hint="run: rewards-agent enrol TOKEN")
            asking = Asking(client, await succession.followed(client, who), clock)
            return await _compared(asking, connection)


async def _compared(asking: Asking, connection: sqlite3.Connection) -> Books:
    here: Counter[SumKey] = Counter()
    here_amounts: Counter[SumKey] = Counter()
    there: Counter[SumKey] = Counter()
    there_amounts: Counter[SumKey] = Counter()
    seq, epoch, aside, first = 0, 0, 0, ""
    async for sums in asking.sums():
        for last, head in sums.heads.items():
            if not first and _head(connection, last) != head:
                first = await _first_difference(asking, connection, epoch, seq)
            epoch, seq = sums.epoch, last
        for key, (count, amount) in sums.sums.items():
            there[key] += count
            there_amounts[key] += amount
        aside += sums.aside
        for key, (count, amount) in _own(connection, sums.after, seq):
            here[key] += count
            here_amounts[key] += amount
    rows = {
        key: ((here[key], here_amounts[key]), (there[key], there_amounts[key]))
        for key in sorted(here.keys() | there.keys())
    }
    newest = int(connection.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0])
    if not first and not aside:
        first = next((_told(key, *both) for key, both in rows.items() if both[0] != both[1]), "")
    return Books(upto=seq, waiting=max(newest - seq, 0), aside=aside, rows=rows, first=first)


def _told(key: SumKey, mine: tuple[int, int], theirs: tuple[int, int]) -> str:
    day, rule, currency = key
    return f"{day} {rule}: {mine[0]} entries of {mine[1]} {currency} here, {theirs[0]} of {theirs[1]} at the catalogue"


def _own(connection: sqlite3.Connection, after: int, upto: int) -> Iterator[tuple[SumKey, tuple[int, int]]]:
    yield from add_up(body for (body,) in connection.execute(_BETWEEN, (after, upto))).items()


def _head(connection: sqlite3.Connection, seq: int) -> bytes | None:
    row = connection.execute("SELECT hash FROM entry WHERE seq = ?", (seq,)).fetchone()
    return bytes(row[0]) if row else None


async def _first_difference(asking: Asking, connection: sqlite3.Connection, epoch: int, after: int) -> str:
    """The first entry of a batch that is another one here than there."""
    try:
        found = await asking.batch_after(epoch, after)
    except IntegrityError as exc:
        return exc.message
    head = _head(connection, after) or chain.GENESIS
    for seq, body in enumerate(found.entries, start=after + 1):
        row = connection.execute("SELECT body, hash FROM entry WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            return f"entry {seq} is at the catalogue and not here"
        if row[0] != body:
            return f"entry {seq} is another one at the catalogue than here"
        head = chain.step(head, body)
        if row[1] != head:
            return f"entry {seq}: its hash here does not follow from the entries before it"
    return f"the batch after entry {after} is in another order there"


async def log(settings: Settings, source: LogSource, rulebook: Rulebook, clock: Clock) -> Log:
    """Read a log again up to where it was read, writing nothing, and look every act up in the ledger.

    Raises:
        ConfigError: the log cannot be read as configured.
        TransientError: it cannot be reached.
    """
    with file.reading(settings.agent.data_dir) as connection:
        stands = sources.load(connection, source.name)
        spans = {name: (low, high) for name, low, high in connection.execute(_SPANS, (source.name,))}
        counted = _Counted(spans, retention.read(connection), erased.of_ledger(connection))
    if stands is not None:
        collector = LogstoreCollector(logstore_options(settings, source), clock)
        begin = SourceState(position=UNPLACED, start_at=stands.start_at or 0)
        try:
            async with _connected(settings) as reading:
                async for page in collector.pages(begin, lambda: rulebook.demand, follow=False):
                    await counted.count(reading, _asked(page, source, stands))
                    if page.state.position >= stands.position:
                        break
        finally:
            await collector.close()
    return counted.told(source.name)


class _Counted:
    """Acts of a log, looked up in the ledger page by page."""

    def __init__(self, spans: Mapping[str, tuple[int, int]], gone: Forgotten, marks: Erased) -> None:
        self._spans = spans
        self._gone = gone
        self._marks = marks
        self._acts = self._recorded = self._before = self._forgotten = self._absent = self._missing = 0
        self._first = ""

    async def count(self, reading: aiosqlite.Connection, events: list[Event]) -> None:
        if not events:
            return
        source = events[0].seen.source
        told = await sighted.compared(reading, events, source, states=True)
        # Those in which somebody takes part who was erased stand there without that person, under another id.
        left = [next(iter(spared([event], self._marks)), None) for event in told]
        merged = await aliases.load(reading)
        ours = await _recognised(reading, told, merged)
        theirs = await _recognised(reading, [one for one in left if one is not None], merged)
        known = await again.known(reading, [*ours, *theirs])
        parted = iter(theirs)
        for event, one in zip(ours, left, strict=True):
            self._acts += 1
            low, high = self._spans.get(event.seen.lms_event, (0, -1))
            other = None if one is None else next(parted)
            if event.event_id in known or (other is not None and other.event_id in known):
                self._recorded += 1
            elif other is None or left_by_its_person(other, self._marks):
                self._absent += 1
            elif self._gone.covers(event.seen.site, event.seen.occurred_at):
                self._forgotten += 1
            elif not low <= event.seen.position <= high:
                self._before += 1
            else:
                self._missing += 1
                self._first = self._first or (
                    f"row {event.seen.position} of {source} ({event.seen.lms_event}, {utc(event.seen.occurred_at)})"
                    " is not in the ledger"
                )

    def told(self, source: str) -> Log:
        return Log(
            source=source,
            acts=self._acts,
            recorded=self._recorded,
            before_the_rules=self._before,
            forgotten=self._forgotten,
            absent=self._absent,
            missing=self._missing,
            first=self._first,
        )


async def _recognised(reading: aiosqlite.Connection, events: Sequence[Event], merged: Aliases) -> Sequence[Event]:
    return await aliases.recognised(reading, events, merged, trust.event_id) if merged else events


def _asked(page: Page, source: LogSource, stands: SourceState) -> list[Event]:
    """The acts of a page that the ledger must have: up to where it stands, but for those still in gaps."""
    gaps = [(gap.lo, gap.hi) for gap in stands.gaps]
    events = once_each(trust.tag_all(page.observations, source.trust))
    return [
        event
        for event in events
        if event.seen.position <= stands.position and not any(lo <= event.seen.position <= hi for lo, hi in gaps)
    ]


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[aiosqlite.Connection]:
    """The ledger, read-only."""
    async with file.connect_for_reading(settings.agent.data_dir) as connection:
        yield connection
