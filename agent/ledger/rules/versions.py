"""Every version of the rules that ever decided something, and the history that a new quota begins with.

A quota that an edit introduces (`limit = "3/day"` becomes `"10/week"`) must count what was paid before the edit. Its
uses are therefore filled in from the entries when the version that brings its meter is adopted. One that was taken out
and comes back was not counted meanwhile: what it lacks is filled in too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

import aiosqlite
import orjson

from agent.ledger.record import BADGE_PREFIX, Recorder
from agent.ledger.record.people import Person
from agent.ledger.record.undoing import COOLDOWN
from agent.ledger.rules import in_force
from agent.model import Use

UsesOf = Callable[[str, str, int, Mapping[str, int], str, str], Iterable[Use]]
"""(rule_id, learner, occurred_at, {currency: amount}, source, role or empty) → the uses that such an award takes under
the rules now in force, `once:` uses (which every award has from its first day) left out."""

_ENTRIES_AT_ONCE = 5_000
_PAID = """
SELECT e.seq, coalesce(e.decision_no, -e.seq), e.body, p.person_no, p.site, p.lms_user, p.secret, p.pseudonym,
       coalesce(d.role, '')
FROM entry e JOIN person p ON p.person_no = e.person_no LEFT JOIN decision d ON d.decision_no = e.decision_no
WHERE e.seq > ? ORDER BY e.seq LIMIT ?
"""
_THERE = """
SELECT w.key FROM json_each(?) w CROSS JOIN quota_use u
ON u.meter_no = w.value ->> 0 AND u.bucket = w.value ->> 1 AND u.person_no = w.value ->> 2 AND u.slot = w.value ->> 3
"""
_ONCE = "once:"
_METERS = "meters"
_IS = "SELECT value FROM setting WHERE key = ?"
_SAY = "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


async def keep(connection: aiosqlite.Connection, version: str, text: str, now: int) -> int:
    """Store a version's text once; returns its number."""
    await connection.execute(
        "INSERT INTO rules_version (version, text, first_at) VALUES (?, ?, ?) ON CONFLICT (version) DO NOTHING",
        (version, text, now),
    )
    return await number(connection, version)


async def number(connection: aiosqlite.Connection, version: str) -> int:
    """The number of a kept version; 0 where it is not kept."""
    async with connection.execute("SELECT version_no FROM rules_version WHERE version = ?", (version,)) as cursor:
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def give_history(
    connection: aiosqlite.Connection, recorder: Recorder, meters: Iterable[str], uses_of: UsesOf, *, anew: bool = False
) -> int:
    """Fill in from the entries what those ``meters`` lack that the rules before did not have; returns how many uses.

    ``anew`` looks at all of them.
    """
    wanted = {meter for meter in meters if not meter.startswith(_ONCE)}
    known = frozenset(await recorder.names.find(connection, "meter", wanted))
    counting = await in_force.until_now(connection, _METERS, wanted, known)
    new = wanted if anew else wanted - (known & counting)
    if not new:
        return 0
    numbers = await recorder.names.number(connection, "meter", sorted(new))
    reversed_ids = await _reversed(connection)
    written = after = 0
    while rows := list(await connection.execute_fetchall(_PAID, (after, _ENTRIES_AT_ONCE))):
        after = rows[-1][0]
        if len(rows) == _ENTRIES_AT_ONCE:
            # Entries of one decision stand together; leave the last decision for the next slice so that it is whole.
            whole = [row for row in rows if row[1] != rows[-1][1]]
            rows, after = (whole, whole[-1][0]) if whole else (rows, after)
        uses: list[tuple[Use, int]] = []
        people: dict[str, Person] = {}
        for _, group in groupby(rows, key=lambda row: row[1]):
            for use, seq, person in _uses(list(group), reversed_ids, uses_of):
                if use.meter in new:
                    uses.append((use, seq))
                    people[person.learner] = person
        lacking = await _lacking(connection, uses, numbers, people) if new & known else uses
        await recorder.write_uses(connection, lacking, people)
        written += len(lacking)
    return written


async def _lacking(
    connection: aiosqlite.Connection,
    uses: Sequence[tuple[Use, int]],
    meters: Mapping[str, int],
    people: Mapping[str, Person],
) -> Sequence[tuple[Use, int]]:
    """Those of the uses (each with its entry's seq) that are not counted yet."""
    keys = [
        (meters[use.meter], use.bucket, people[use.learner].person_no if use.learner else 0, seq) for use, seq in uses
    ]
    there = {place for (place,) in await connection.execute_fetchall(_THERE, (orjson.dumps(keys).decode(),))}
    return [one for place, one in enumerate(uses) if place not in there]


def _uses(rows: list[aiosqlite.Row], reversed_ids: set[str], uses_of: UsesOf) -> Iterable[tuple[Use, int, Person]]:
    seq, _, _, person_no, site, lms_user, secret, pseudonym, role = rows[0]
    entries = [orjson.loads(row[2]) for row in rows]
    first = entries[0]
    if first["kind"] != "award":
        return
    undone = first["entry_id"] in reversed_ids
    person = Person(person_no=person_no, learner=f"{site}:{lms_user}", secret=secret, pseudonym=pseudonym)
    amounts = {e["currency"]: e["amount"] for e in entries if not e["currency"].startswith(BADGE_PREFIX)}
    for use in uses_of(first["rule"], person.learner, first["occurred_at"], amounts, first["source"], role):
        if not undone or use.meter.startswith(COOLDOWN):
            yield use, seq, person


async def _reversed(connection: aiosqlite.Connection) -> set[str]:
    rows = await connection.execute_fetchall(
        "SELECT CAST(body AS TEXT) ->> 'reverses' FROM entry WHERE CAST(body AS TEXT) ->> 'kind' = 'reversal'"
    )
    return {reverses for (reverses,) in rows}


_DOUBTS = "doubtful_names"


async def keep_doubts(connection: aiosqlite.Connection, *, doubts: Sequence[str]) -> None:
    """Keep which names of the rules in force mean nothing or several things; what is kept already is not written."""
    kept = list(await connection.execute_fetchall(_IS, (_DOUBTS,)))
    text = orjson.dumps(list(doubts)).decode()
    if (kept[0][0] if kept else "[]") != text:
        await connection.execute(_SAY, (_DOUBTS, text))


def doubts_kept(connection: sqlite3.Connection) -> list[str]:
    """As an agent found it when it last looked, a sentence each."""
    row = connection.execute(_IS, (_DOUBTS,)).fetchone()
    return [] if row is None else [str(one) for one in orjson.loads(row[0])]
