"""What a page must know of the past, read in bulk: uses of quotas and open holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import aiosqlite

from agent.ledger.record.names import Names
from agent.ledger.record.people import People
from agent.model import HoldKey, StateRequest, Use, UseKey

_ROWS = """
SELECT w.key_no, u.slot, u.at, u.amount, u.freed
FROM wanted_use w CROSS JOIN quota_use u
  ON u.meter_no = w.meter_no AND u.bucket = w.bucket AND u.person_no = w.person_no
"""
_TOTALS = """
SELECT w.key_no, count(*), max(u.at), sum(u.amount)
FROM wanted_use w CROSS JOIN quota_use u
  ON u.meter_no = w.meter_no AND u.bucket = w.bucket AND u.person_no = w.person_no
WHERE u.freed = 0
GROUP BY w.key_no
"""
_HOLDS = """
SELECT h.rule_id, h.learner, h.scope, h.decision_no
FROM wanted_hold w CROSS JOIN hold h
  ON h.rule_id = w.rule_id AND h.learner = w.learner AND h.scope = w.scope AND h.state = 'open'
ORDER BY h.decision_no
"""


async def load_uses(connection: aiosqlite.Connection, request: StateRequest, names: Names, people: People) -> list[Use]:
    """The uses under the keys of ``request``: one `Use` each for ``rows``, one with the sum for each of ``totals``.

    A total carries the newest time of its uses; keys without uses give nothing.
    """
    found = await _read(connection, request.rows, _ROWS, names, people)
    uses = [
        Use(meter=key[0], bucket=key[1], learner=key[2], slot=slot, at=at, amount=amount, freed=bool(freed))
        for key, (slot, at, amount, freed) in found
    ]
    summed = await _read(connection, request.totals, _TOTALS, names, people)
    uses.extend(
        Use(meter=key[0], bucket=key[1], learner=key[2], at=at, amount=amount) for key, (_, at, amount) in summed
    )
    return uses


async def _read(
    connection: aiosqlite.Connection, keys: Iterable[UseKey], sql: str, names: Names, people: People
) -> list[tuple[UseKey, tuple[int, ...]]]:
    listed = sorted(keys)
    if not listed:
        return []
    meters = await names.find(connection, "meter", {key[0] for key in listed})
    persons = await people.find(connection, {key[2] for key in listed if key[2]})
    wanted = []
    for key_no, (meter, bucket, learner) in enumerate(listed):
        meter_no = meters.get(meter)
        person_no = 0 if not learner else (persons[learner].person_no if learner in persons else None)
        if meter_no is not None and person_no is not None:
            wanted.append((key_no, meter_no, bucket, person_no))
    if not wanted:
        return []
    await connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS wanted_use"
        " (key_no INTEGER PRIMARY KEY, meter_no INTEGER, bucket TEXT, person_no INTEGER) STRICT"
    )
    await connection.executemany("INSERT INTO wanted_use VALUES (?, ?, ?, ?)", wanted)
    rows = await connection.execute_fetchall(sql)
    await connection.execute("DELETE FROM wanted_use")
    return [(listed[row[0]], tuple(row)[1:]) for row in rows]


async def load_holds(connection: aiosqlite.Connection, keys: Iterable[HoldKey]) -> Mapping[HoldKey, tuple[int, ...]]:
    """Decision numbers of the open holds under each key."""
    listed = list(keys)
    found: defaultdict[HoldKey, tuple[int, ...]] = defaultdict(tuple)
    async with connection.execute("SELECT 1 FROM hold WHERE state = 'open' LIMIT 1") as cursor:
        if not listed or await cursor.fetchone() is None:
            return found
    await connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS wanted_hold (rule_id TEXT, learner TEXT, scope TEXT) STRICT"
    )
    await connection.executemany("INSERT INTO wanted_hold VALUES (?, ?, ?)", listed)
    for rule_id, learner, scope, decision_no in await connection.execute_fetchall(_HOLDS):
        found[rule_id, learner, scope] += (decision_no,)
    await connection.execute("DELETE FROM wanted_hold")
    return found
