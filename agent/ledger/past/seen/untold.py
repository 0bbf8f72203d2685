"""What state tables told, compared with what is recorded: both ways in a few queries for a whole page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import aiosqlite
import orjson

from agent.ledger import codec
from agent.model import Event

# Stretches of time as a JSON list of pairs. A payload is JSON: what it speaks of is told before it is taken apart, and
# by whom it is taken apart here: a course may be told a fortnight late, and a fortnight holds many learners' events.
_RECORDED = """
SELECT DISTINCT e.event_id, n.text, e.position, e.occurred_at, e.trust, e.payload
FROM json_each(?1) w CROSS JOIN event e ON e.occurred_at BETWEEN w.value ->> 0 AND w.value ->> 1
JOIN name n ON n.no = e.source_no
WHERE EXISTS (SELECT 1 FROM json_each(?2) s WHERE instr(e.payload, CAST(s.value AS BLOB)) > 0)
AND CAST(e.payload AS TEXT) ->> '$.w.subject' IN (SELECT value FROM json_each(?3))
"""
_STATES = """
SELECT DISTINCT e.event_id, n.text, e.position, e.occurred_at, e.trust, e.payload
FROM json_each(?1) w CROSS JOIN state_event s ON s.occurred_at BETWEEN w.value ->> 0 AND w.value ->> 1
JOIN event e ON e.event_no = s.event_no JOIN name n ON n.no = e.source_no
WHERE EXISTS (SELECT 1 FROM json_each(?2) s WHERE instr(e.payload, CAST(s.value AS BLOB)) > 0)
AND CAST(e.payload AS TEXT) ->> '$.w.subject' IN (SELECT value FROM json_each(?3))
"""


async def any_states(connection: aiosqlite.Connection) -> bool:
    """Whether any recorded event came from a state table."""
    ((found,),) = await connection.execute_fetchall("SELECT EXISTS (SELECT 1 FROM state_event)")
    return bool(found)


async def recorded(
    connection: aiosqlite.Connection,
    stretches: Sequence[tuple[int, int]],
    names: Sequence[str],
    learners: Sequence[str],
) -> list[Event]:
    """The recorded events of these LMS names in these stretches of time that are about one of the learners."""
    return await _events(connection, _RECORDED, stretches, names, learners)


async def states(
    connection: aiosqlite.Connection,
    stretches: Sequence[tuple[int, int]],
    names: Sequence[str],
    learners: Sequence[str],
) -> list[Event]:
    """Those of them that came from a state table."""
    return await _events(connection, _STATES, stretches, names, learners)


async def keep(connection: aiosqlite.Connection, events: Collection[Event], numbers: Mapping[bytes, int]) -> None:
    """Remember that these events, just recorded under ``numbers``, came from a state table."""
    await connection.executemany(
        "INSERT OR IGNORE INTO state_event VALUES (?, ?)",
        [(event.seen.occurred_at, numbers[event.event_id]) for event in events if event.event_id in numbers],
    )


async def _events(
    connection: aiosqlite.Connection,
    sql: str,
    stretches: Sequence[tuple[int, int]],
    names: Sequence[str],
    learners: Sequence[str],
) -> list[Event]:
    if not stretches or not names:
        return []
    spoken = orjson.dumps([orjson.dumps(name).decode() for name in names]).decode()
    return [
        codec.decode_event(payload, source=source, position=position, occurred_at=at, event_id=event_id, trust=trust)
        for event_id, source, position, at, trust, payload in await connection.execute_fetchall(
            sql, (orjson.dumps(stretches).decode(), spoken, orjson.dumps(learners).decode())
        )
    ]
