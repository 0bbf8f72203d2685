"""What holds for review keep from others: given back where a hold is settled."""

from __future__ import annotations

import json
from collections.abc import Iterable

import aiosqlite

from agent.ledger import codec
from agent.ledger.record import undoing
from agent.ledger.record.names import Names
from agent.ledger.record.people import People
from agent.model import Use

_PROMISES = """
SELECT h.decision_no, h.promise FROM json_each(?) w CROSS JOIN hold h ON h.decision_no = w.value
WHERE h.kind = 'review'
"""
_DELETE = "DELETE FROM quota_use WHERE meter_no = ? AND bucket = ? AND person_no = ? AND slot = ?"


async def release(
    connection: aiosqlite.Connection,
    names: Names,
    people: People,
    decision_nos: Iterable[int],
    *,
    forget: bool = False,
) -> dict[int, tuple[Use, ...]]:
    """Give back what the holds of these decisions keep, cooldowns too; what that was, by decision.

    The generation of their scope stays used; with ``forget`` it may be used again (an approval books it at once).
    """
    rows = await connection.execute_fetchall(_PROMISES, (json.dumps(list(decision_nos)),))
    found = {number: uses for number, promise in rows if (uses := codec.decode_reserves(promise, number))}
    if not found:
        return {}
    every = [use for kept in found.values() for use in kept]
    meters = await names.find(connection, "meter", {use.meter for use in every})
    persons = await people.find(connection, {use.learner for use in every if use.learner})
    deleted: list[tuple[int, str, int, int]] = []
    freed: list[tuple[int, str, int, int]] = []
    for use in every:
        if use.learner and use.learner not in persons:
            continue  # erased, and the uses with the person
        person_no = persons[use.learner].person_no if use.learner else 0
        key = (meters[use.meter], use.bucket, person_no, use.slot)
        (freed if use.slot >= 0 and not forget else deleted).append(key)
    await connection.executemany(_DELETE, deleted)
    await connection.executemany(undoing.FREE, freed)
    return found
