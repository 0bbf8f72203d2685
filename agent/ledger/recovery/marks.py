"""How far everything was when an entry was the newest: carried by batches, for an agent that must be restored.

They must be true for the very entries they travel with: acts that were read later, and whose entries a lost disk takes
with it, must be read again. So a batch that does not reach the newest entry repeats the marks of the last one that did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiosqlite
import orjson

from agent.ledger import delivery
from wire.canonical import MalformedError

FIELD = "resume"
"""The field of a batch's header beside its low-water marks."""
_SETTING = "marks"
_SOURCES = "SELECT source, start_at, high_water FROM source_state"
_SCHEDULED = """
SELECT s.scheduled, max(s.since, coalesce(max(r.nominal), s.since)) FROM schedule s
LEFT JOIN scheduled_run r ON r.scheduled = s.scheduled AND r.state <> 'failed'
WHERE s.in_force = 1 GROUP BY s.scheduled
"""


class Begins(NamedTuple):
    """When payment by a source begins (None: not known), and the newest act that was read (seconds UTC)."""

    start_at: int | None
    high_water: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Low-water marks by source, when payment by each began, and the newest decided time of what is scheduled."""

    low_water: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, Begins] = field(default_factory=dict)
    scheduled: Mapping[str, int] = field(default_factory=dict)

    def resume(self) -> dict[str, Any]:
        """What goes into the header beside the low-water marks."""
        return {
            "sources": {name: list(begins) for name, begins in self.sources.items()},
            "scheduled": dict(self.scheduled),
        }


def parse(low_water: Mapping[str, int], resume: object) -> Marks:
    """The marks of a batch's header; ``resume`` may be missing.

    Raises:
        MalformedError: it is there and says nothing sensible.
    """
    if resume is None:
        return Marks(low_water=low_water)
    try:
        return _marks(low_water, resume)
    except (AttributeError, TypeError, ValueError, KeyError):
        raise MalformedError("field 'resume' of the batch cannot be read") from None


def _marks(low_water: Mapping[str, int], resume: Any) -> Marks:
    sources = {
        name: Begins(None if start_at is None else int(start_at), int(high_water))
        for name, (start_at, high_water) in resume["sources"].items()
    }
    scheduled = {name: int(at) for name, at in resume["scheduled"].items()}
    return Marks(low_water=low_water, sources=sources, scheduled=scheduled)


async def within(connection: aiosqlite.Connection, first_seq: int, last_seq: int) -> tuple[Marks, delivery.Unit]:
    """The marks for a batch of these entries, and a unit that keeps them for the batches after it."""
    await connection.execute("BEGIN")  # entries and marks of one moment
    try:
        if await delivery.newest_seq(connection) == last_seq:
            marks = await _now(connection)
            kept = orjson.dumps([last_seq, dict(marks.low_water), marks.resume()]).decode()
            return marks, delivery.keep_settings({_SETTING: kept})
        return await _before(connection, first_seq), delivery.keep_settings({})
    finally:
        await connection.execute("ROLLBACK")


async def _now(connection: aiosqlite.Connection) -> Marks:
    return Marks(
        low_water=await delivery.low_water(connection),
        sources={name: Begins(*begins) for name, *begins in await connection.execute_fetchall(_SOURCES)},
        scheduled={name: at for name, at in await connection.execute_fetchall(_SCHEDULED)},  # noqa: C416 - rows
    )


async def _before(connection: aiosqlite.Connection, first_seq: int) -> Marks:
    kept = (await delivery.settings(connection, (_SETTING,))).get(_SETTING)
    if kept is None:
        return Marks()
    seq, low_water, resume = orjson.loads(kept)
    return parse(low_water, resume) if seq < first_seq else Marks()
