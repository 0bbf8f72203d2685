"""The history that a new programme begins with: what recorded events put into the sets it looks at, filled in.

One that was taken out and comes back did not hear of what was passed meanwhile: that is filled in too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence

import aiosqlite

from agent.ledger import codec
from agent.ledger.record import Recorder
from agent.ledger.rules import in_force
from agent.model import Event, Use

EVENTS_AT_ONCE = 2_000
_MEMBERS = "members"
# The payload is JSON: whether it speaks of a kind is told before it is taken apart.
_SPEAKS = "instr(v.payload, CAST(? AS BLOB)) > 0"
_AFTER = """
SELECT v.event_no, v.occurred_at, v.event_id, n.text, v.position, v.trust, v.payload
FROM event v JOIN name n ON n.no = v.source_no
WHERE v.event_no > ? AND ({speaks}) ORDER BY v.event_no LIMIT ?
"""


async def give(
    connection: aiosqlite.Connection,
    recorder: Recorder,
    marks: Collection[str],
    kinds: Collection[str],
    members: Callable[[Event], Iterable[tuple[str, Use]]],
    *,
    now: int,
) -> int:
    """Fill in the members whose mark (among ``marks``) the rules before did not have; returns how many are looked at.

    ``members`` gives what an event of one of ``kinds`` adds, each with its mark.
    """
    known = frozenset(await recorder.names.find(connection, "meter", marks))
    new = set(marks) - (known & await in_force.until_now(connection, _MEMBERS, frozenset(marks), known))
    if not new:
        return 0
    await recorder.names.number(connection, "meter", sorted(new))
    written = 0
    async for page in acts(connection, kinds):
        notes = [use for event in page for mark, use in members(event) if mark in new]
        await recorder.keep(connection, notes, now)
        written += len(notes)
    return written


async def acts(connection: aiosqlite.Connection, kinds: Collection[str]) -> AsyncIterator[Sequence[Event]]:
    """The recorded events of these kinds, and a few that only speak of one, page by page in order of arrival."""
    after = 0
    listed = [f'"{kind}"' for kind in sorted(kinds)]
    sql = _AFTER.format(speaks=" OR ".join([_SPEAKS] * len(listed)))
    while listed and (rows := list(await connection.execute_fetchall(sql, (after, *listed, EVENTS_AT_ONCE)))):
        after = rows[-1][0]
        yield [
            codec.decode_event(
                payload, source=source, position=position, occurred_at=occurred_at, event_id=event_id, trust=trust
            )
            for _, occurred_at, event_id, source, position, trust, payload in rows
        ]
