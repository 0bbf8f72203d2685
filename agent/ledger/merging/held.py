"""What waits for somebody, of an account that is another's from now on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import aiosqlite
import orjson

from agent.ledger.merging.plan import Plan

_OF = "SELECT decision_no, promise FROM hold WHERE learner = ? AND state = 'open'"
_FREED = """
DELETE FROM quota_use WHERE meter_no = (SELECT no FROM name WHERE kind = 'meter' AND text = ?)
AND bucket = ? AND seq = ?
"""
_KEPT = """
INSERT INTO quota_use (meter_no, bucket, person_no, slot, at, amount, seq)
SELECT n.no, ?1, coalesce(p.person_no, 0), ?2, ?3, ?4, ?5
FROM name n LEFT JOIN person p ON p.site || ':' || p.lms_user = ?7 WHERE n.kind = 'meter' AND n.text = ?6
"""
_MENTIONS = "SELECT decision_no, promise FROM hold WHERE state = 'open' AND instr(CAST(promise AS TEXT), ?)"


Held = tuple[int, bytes]
"""The number of a decision that waits, and its promise."""


async def of(connection: aiosqlite.Connection, learner: str) -> list[Held]:
    """What waits for a learner."""
    return [(number, promise) for number, promise in await connection.execute_fetchall(_OF, (learner,))]


async def over(
    connection: aiosqlite.Connection, pair: tuple[str, str], plan: Plan, held: Iterable[Held], *, by: str, now: int
) -> None:
    """What waits for FROM waits for INTO (the ``pair``), but where that keeps a scope which INTO was paid in.

    What a hold keeps from others goes with it; one that falls keeps nothing.
    """
    source, target = pair
    for number, promise in held:
        said = orjson.loads(promise)
        reserved = said.get("u", ())[: said.get("r", 0)]
        await connection.executemany(_FREED, [(use[0], use[1], -number) for use in reserved])
        if any((use[0], use[1]) in plan.used for use in reserved):
            await connection.execute(
                "UPDATE hold SET state = 'superseded', settled_at = ?, settled_by = ?, note = ? WHERE decision_no = ?",
                (now, by, "merged: the other account was paid for it", number),
            )
            continue
        for use in reserved:
            if use[5] >= 0:  # what was undone at INTO stays known: this is another time
                use[5] = max(use[5], plan.slots.get((use[0], use[1]), -1) + 1)
        moved = _moved(said, source, target)
        rows = [
            (bucket, slot if slot >= 0 else -number, at, amount, -number, meter, whose)
            for meter, bucket, whose, at, amount, slot in reserved
        ]
        await connection.executemany(_KEPT, rows)
        await connection.execute(
            "UPDATE hold SET learner = ?, promise = ? WHERE decision_no = ?", (target, orjson.dumps(moved), number)
        )


async def others(connection: aiosqlite.Connection, source: str, target: str) -> None:
    """What others are promised for acts of one account falls with an undo by the other too."""
    for number, promise in list(await connection.execute_fetchall(_MENTIONS, (f'"{source}"',))):
        moved = orjson.dumps(_moved(orjson.loads(promise), source, target))
        await connection.execute("UPDATE hold SET promise = ? WHERE decision_no = ?", (moved, number))


def _moved(promise: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    """A promise as it is kept, with the uses of one account as another's."""
    for use in promise.get("u", ()):
        if use[2] == source:
            use[2] = target
    return promise
