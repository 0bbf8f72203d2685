"""What a page must know of the past, read in bulk: uses of quotas and open holds."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain

import aiosqlite
import orjson

from agent.ledger.record.names import Names
from agent.ledger.record.people import People, Person
from agent.ledger.record.totals import TOTALLED
from agent.model import HoldKey, StateRequest, Use, UseKey

# What is asked for travels as one JSON text: one statement and no table of wishes. Each wish is
# [meter_no, bucket, person_no], `w.key` its place in the list.
_ROWS = """
SELECT w.key, u.slot, u.at, u.amount, u.freed
FROM json_each(?) w CROSS JOIN quota_use u
  ON u.meter_no = w.value ->> 0 AND u.bucket = w.value ->> 1 AND u.person_no = w.value ->> 2
"""
_TOTALS = """
SELECT w.key, count(*), max(u.at), sum(u.amount)
FROM json_each(?) w CROSS JOIN quota_use u
  ON u.meter_no = w.value ->> 0 AND u.bucket = w.value ->> 1 AND u.person_no = w.value ->> 2
WHERE u.freed = 0
GROUP BY w.key
"""
_EVERYBODY = """
SELECT w.key, t.uses, 0, t.amount
FROM json_each(?) w CROSS JOIN quota_total t ON t.meter_no = w.value ->> 0 AND t.bucket = w.value ->> 1
WHERE t.uses > 0
"""
# What a hold for review reserves is its own: no award closes it.
_HOLDS = """
SELECT h.rule_id, h.learner, h.scope, h.decision_no
FROM (SELECT 1 FROM hold WHERE state = 'open' LIMIT 1) CROSS JOIN json_each(?) w CROSS JOIN hold h
  ON h.rule_id = w.value ->> 0 AND h.learner = w.value ->> 1 AND h.scope = w.value ->> 2 AND h.state = 'open'
WHERE CAST(h.promise AS TEXT) ->> 'r' IS NULL
ORDER BY h.decision_no
"""


async def load_uses(connection: aiosqlite.Connection, request: StateRequest, names: Names, people: People) -> list[Use]:
    """The uses under the keys of ``request``: one `Use` each for ``rows``, one with the sum for each of ``totals``.

    A total carries the newest time of its uses, but for budgets and brakes; keys without uses give nothing.
    """
    persons = await people.find(connection, {key[2] for key in chain(request.rows, request.totals) if key[2]})
    everybody = frozenset(key for key in request.totals if not key[2] and key[0].startswith(TOTALLED))
    found, summed, kept = await asyncio.gather(
        _read(connection, request.rows, _ROWS, names, persons),
        _read(connection, request.totals - everybody if everybody else request.totals, _TOTALS, names, persons),
        _read(connection, everybody, _EVERYBODY, names, persons),
    )
    uses = [
        Use(meter=key[0], bucket=key[1], learner=key[2], slot=slot, at=at, amount=amount, freed=bool(freed))
        for key, (slot, at, amount, freed) in found
    ]
    uses.extend(
        Use(meter=key[0], bucket=key[1], learner=key[2], at=at, amount=amount)
        for key, (_, at, amount) in chain(summed, kept)
    )
    return uses


async def _read(
    connection: aiosqlite.Connection, keys: Iterable[UseKey], sql: str, names: Names, persons: Mapping[str, Person]
) -> list[tuple[UseKey, tuple[int, ...]]]:
    listed = list(keys)
    if not listed:
        return []
    meters = await names.find(connection, "meter", {key[0] for key in listed})
    wanted: list[tuple[int, str, int]] = []
    asked: list[UseKey] = []
    for key in listed:
        meter, bucket, learner = key
        meter_no = meters.get(meter)
        if meter_no is None:
            continue
        if not learner:
            wanted.append((meter_no, bucket, 0))
            asked.append(key)
        elif (person := persons.get(learner)) is not None:
            wanted.append((meter_no, bucket, person.person_no))
            asked.append(key)
    if not wanted:
        return []
    rows = await connection.execute_fetchall(sql, (orjson.dumps(wanted).decode(),))
    return [(asked[row[0]], row[1:]) for row in rows]


async def load_holds(connection: aiosqlite.Connection, keys: Iterable[HoldKey]) -> Mapping[HoldKey, tuple[int, ...]]:
    """Decision numbers of the open holds under each key."""
    listed = list(keys)
    found: defaultdict[HoldKey, tuple[int, ...]] = defaultdict(tuple)
    if not listed:
        return found
    for rule_id, learner, scope, decision_no in await connection.execute_fetchall(
        _HOLDS, (orjson.dumps(listed).decode(),)
    ):
        found[rule_id, learner, scope] += (decision_no,)
    return found
