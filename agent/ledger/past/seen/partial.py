"""Recorded posts that lack a part of their key, and what is recorded of the same seconds, in a few queries a page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import aiosqlite
import orjson

from agent.ledger import codec
from agent.ledger.past.again import TOLD_ELSEWHERE
from agent.model import Event

_COLUMNS = "e.event_id, n.text, e.position, e.occurred_at, e.trust, e.payload"
_LACKING = f"""
SELECT {_COLUMNS}, p.event_no, p.told,
  instr(e.payload, CAST('"unconfirmed"' AS BLOB)) = 0
  OR EXISTS (SELECT 1 FROM decision d WHERE d.event_no = p.event_no AND d.outcome = 1)
FROM json_each(?) w CROSS JOIN partial_event p ON p.occurred_at = w.value
JOIN event e ON e.event_no = p.event_no JOIN name n ON n.no = e.source_no
"""  # noqa: S608 - the columns stand above
_WHOLE = f"""
SELECT {_COLUMNS} FROM json_each(?) w CROSS JOIN event e ON e.occurred_at = w.value
JOIN name n ON n.no = e.source_no
WHERE NOT EXISTS (SELECT 1 FROM partial_event p WHERE p.occurred_at = e.occurred_at AND p.event_no = e.event_no)
"""  # noqa: S608 - the columns stand above
_CLOSE = """
UPDATE hold SET state = 'superseded', settled_at = ?1, note = ?3
WHERE state = 'open' AND decision_no IN (SELECT decision_no FROM decision WHERE event_no = ?2)
"""


async def any_lacking(connection: aiosqlite.Connection) -> bool:
    """Whether any recorded event came from such a post."""
    ((found,),) = await connection.execute_fetchall("SELECT EXISTS (SELECT 1 FROM partial_event)")
    return bool(found)


async def lacking_at(connection: aiosqlite.Connection, times: Collection[int]) -> list[tuple[int, Event, bytes, bool]]:
    """The recorded posts of these seconds that lack a part: number, event, what they told (empty: nothing yet), and
    whether they were decided by themselves.
    """  # noqa: D205 - one sentence
    if not times:
        return []
    rows = await connection.execute_fetchall(_LACKING, (orjson.dumps(sorted(times)).decode(),))
    return [(number, _event(columns), bytes(told), bool(paid)) for *columns, number, told, paid in rows]


async def whole_at(connection: aiosqlite.Connection, times: Collection[int]) -> list[Event]:
    """The recorded events of these seconds that lack nothing."""
    if not times:
        return []
    rows = await connection.execute_fetchall(_WHOLE, (orjson.dumps(sorted(times)).decode(),))
    return [_event(columns) for columns in rows]


async def tell(connection: aiosqlite.Connection, told: Mapping[int, bytes], settled: Collection[int], now: int) -> None:
    """Remember what these posts turned out to be about; of the ``settled`` nothing waits any longer."""
    pairs = [(event_id, number) for number, event_id in told.items()]
    await connection.executemany("UPDATE partial_event SET told = ? WHERE event_no = ?", pairs)
    await connection.executemany(_CLOSE, [(now, number, TOLD_ELSEWHERE) for number in settled])


async def complete(connection: aiosqlite.Connection, numbers: Iterable[int]) -> None:
    """These lack nothing any more."""
    await connection.executemany("DELETE FROM partial_event WHERE event_no = ?", [(number,) for number in numbers])


async def keep(connection: aiosqlite.Connection, events: Iterable[Event], numbers: Mapping[bytes, int]) -> None:
    """Remember that these events, just recorded under ``numbers``, came from such posts."""
    await connection.executemany(
        "INSERT OR IGNORE INTO partial_event (occurred_at, event_no) VALUES (?, ?)",
        [(event.seen.occurred_at, numbers[event.event_id]) for event in events if event.event_id in numbers],
    )


def _event(columns: Sequence[Any]) -> Event:
    event_id, source, position, at, trust, payload = columns
    return codec.decode_event(payload, source=source, position=position, occurred_at=at, event_id=event_id, trust=trust)
