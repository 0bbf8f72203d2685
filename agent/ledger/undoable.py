"""What an undo must know, read in bulk: live awards and open holds by the object that they were about."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

import aiosqlite

from agent.ledger import codec
from agent.ledger.record.names import Names
from agent.ledger.record.people import People
from agent.ledger.record.undoing import is_object
from agent.model import Award, Use, UseKey

_AWARDS = """
SELECT w.key_no, u.seq, u.at, u.amount, a.award, p.site || ':' || p.lms_user
FROM wanted_object w
CROSS JOIN quota_use u ON u.meter_no = w.meter_no AND u.bucket = w.bucket AND u.person_no = w.person_no
JOIN undoable a ON a.marker = u.seq
LEFT JOIN person p ON p.person_no = a.person_no
WHERE u.freed = 0 AND (a.person_no = 0 OR p.person_no IS NOT NULL)
ORDER BY w.key_no, u.at, u.amount, u.seq
"""
"""Awards of an erased person stand: nobody is left to answer them to."""

_ENTRIES = """
SELECT j.value ->> 0, CAST(e.body AS TEXT) ->> 'entry_id'
FROM json_each(?) j CROSS JOIN entry e ON e.seq BETWEEN j.value ->> 0 AND j.value ->> 1
ORDER BY e.seq
"""
_HOLDS = """
SELECT w.meter, w.bucket, w.learner, h.decision_no, u.value ->> 3, u.value ->> 4, h.learner, h.scope, h.promise
FROM wanted_about w CROSS JOIN hold h ON h.rule_id = w.rule_id AND h.state = 'open'
CROSS JOIN json_each(CAST(h.promise AS TEXT), '$.u') u
WHERE u.value ->> 0 = w.meter AND u.value ->> 1 = w.bucket AND u.value ->> 2 = w.learner
ORDER BY h.decision_no
"""


WaitingRow = tuple[int, tuple[int, int], str, str, tuple[Use, ...]]
"""Decision number, (time, position), learner, scope and what is reserved."""


async def load_awards(
    connection: aiosqlite.Connection, keys: Iterable[UseKey], names: Names, people: People
) -> Mapping[UseKey, list[Award]]:
    """The live awards under each key of an object, the oldest act first."""
    listed = sorted(keys)
    meters = await names.find(connection, "meter", {key[0] for key in listed})
    persons = await people.find(connection, {key[2] for key in listed if key[2]})
    wanted = [
        (number, meters[meter], bucket, persons[learner].person_no if learner else 0)
        for number, (meter, bucket, learner) in enumerate(listed)
        if meter in meters and (not learner or learner in persons)
    ]
    found: defaultdict[UseKey, list[Award]] = defaultdict(list)
    if not wanted:
        return found
    await connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS wanted_object"
        " (key_no INTEGER PRIMARY KEY, meter_no INTEGER, bucket TEXT, person_no INTEGER) STRICT"
    )
    await connection.executemany("INSERT INTO wanted_object VALUES (?, ?, ?, ?)", wanted)
    rows = list(await connection.execute_fetchall(_AWARDS))
    await connection.execute("DELETE FROM wanted_object")
    awards = [
        (listed[key_no], codec.decode_award(award, marker=marker, when=(at, position), learner=learner or ""))
        for key_no, marker, at, position, award, learner in rows
    ]
    entries = await _entries(connection, [award for _, award in awards])
    for key, award in awards:
        found[key].append(codec.with_entries(_as_found(award, key), entries.get(award.marker, ())))
    return found


def _as_found(award: Award, key: UseKey) -> Award:
    """The award with what it was about as it stands: whose act that was may be an account of another's since."""
    was = {use.learner for use in award.uses if (use.meter, use.bucket) == key[:2]} - {key[2]}
    if not was:
        return award
    uses = (replace(use, learner=key[2]) if is_object(use.meter) and use.learner in was else use for use in award.uses)
    return replace(award, uses=tuple(uses))


async def _entries(connection: aiosqlite.Connection, awards: Iterable[Award]) -> Mapping[int, tuple[str, ...]]:
    """The ids of the entries of each award, by its marker."""
    spans = {
        award.marker: award.marker + sum(1 for posting in award.postings if posting.amount) - 1
        for award in awards
        if award.marker > 0
    }
    found: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
    for first, entry_id in await connection.execute_fetchall(_ENTRIES, (json.dumps(sorted(spans.items())),)):
        found[first] += (entry_id,)
    return found


async def load_holds(connection: aiosqlite.Connection, keys: Iterable[UseKey]) -> Mapping[UseKey, list[WaitingRow]]:
    """The open holds under each key of an object."""
    found: defaultdict[UseKey, list[WaitingRow]] = defaultdict(list)
    async with connection.execute("SELECT 1 FROM hold WHERE state = 'open' LIMIT 1") as cursor:
        if await cursor.fetchone() is None:
            return found
    await connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS wanted_about (rule_id TEXT, meter TEXT, bucket TEXT, learner TEXT) STRICT"
    )
    await connection.executemany(
        "INSERT INTO wanted_about VALUES (?, ?, ?, ?)", [(key[0].partition(":")[2], *key) for key in sorted(keys)]
    )
    for *key, number, at, position, learner, scope, promise in await connection.execute_fetchall(_HOLDS):
        reserves = codec.decode_reserves(promise, number)
        found[key[0], key[1], key[2]].append((number, (at, position), learner, scope, reserves))
    await connection.execute("DELETE FROM wanted_about")
    return found
