"""What learners have, read in bulk for badges, tiers and what rules require: awards that stand, balances, badges.

How many awards of a rule stand is counted from the uses of its `once:` meter, which every award has and every reversal
frees. Only where a rulebook asks is there an index that finds them by person (`keep_index`, docs/adr/0031): the others
pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiosqlite
import orjson

from agent.ledger.record import BADGE_PREFIX
from agent.ledger.record.names import Names
from agent.ledger.record.people import People
from agent.model import Award, Posting, Use

RULE, BALANCE, LIFETIME, GIVEN = "rule:", "balance:", "lifetime:", "given:"
"""How names of numbers begin, and meters of badges that were given by criteria (see `engine.recognition.model`)."""

EVER = ""
"""The bucket of what is counted for ever."""

INDEX = "standing"
_AWARDS = """
SELECT u.meter_no, u.person_no, count(*) FILTER (
  WHERE u.seq > 0 OR NOT EXISTS (SELECT 1 FROM hold h WHERE h.decision_no = -u.seq AND h.state = 'open'))
FROM json_each(?) w CROSS JOIN quota_use u ON u.person_no = w.value
WHERE u.meter_no IN ({meters}) AND u.freed = 0 GROUP BY u.meter_no, u.person_no
"""
_BALANCES = """
SELECT w.value, c.value, b.amount, b.lifetime FROM json_each(?) w CROSS JOIN json_each(?) c
CROSS JOIN balance b ON b.person_no = w.value AND b.currency = c.value
"""
_GIVEN = """
SELECT m.value, w.value, u.seq, u.at, CAST(e.body AS TEXT) ->> 'entry_id'
FROM json_each(?) m CROSS JOIN json_each(?) w
CROSS JOIN quota_use u ON u.meter_no = m.value AND u.bucket = '' AND u.person_no = w.value AND u.freed = 0
JOIN entry e ON e.seq = u.seq
"""


_HAD = """
SELECT m.value, w.value FROM json_each(?) m CROSS JOIN json_each(?) w
CROSS JOIN quota_use u ON u.meter_no = m.value AND u.bucket = '' AND u.person_no = w.value AND u.freed = 0
WHERE u.seq > 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """``numbers`` by (name, learner), zeros left out; ``given`` by (badge id, learner), as a reversal needs them.

    ``barred`` are badges (as accounts, with their learners) that somebody took back by hand: so alone they come again.
    """

    numbers: Mapping[tuple[str, str], int]
    given: Mapping[tuple[str, str], Award]
    barred: frozenset[tuple[str, str]] = frozenset()


async def load(
    connection: aiosqlite.Connection,
    names: Names,
    people: People,
    *,
    wanted: Iterable[str],
    given: Iterable[str],
    learners: Iterable[str],
) -> Standing:
    """The numbers under ``wanted`` names and the badges under ``given`` meters of these learners."""
    persons = await people.find(connection, learners)
    if not persons:
        return Standing(numbers={}, given={})
    by_no = {person.person_no: learner for learner, person in persons.items()}
    who = orjson.dumps(sorted(by_no)).decode()
    listed = sorted(wanted)
    numbers: dict[tuple[str, str], int] = {}
    counted = await names.find(connection, "meter", [once_meter(name) for name in listed if name.startswith(RULE)])
    if counted:
        called = {no: f"{RULE}{meter.partition(':')[2]}" for meter, no in counted.items()}
        sql = _AWARDS.format(meters=_numbers(counted.values()))
        for meter_no, person_no, count in await connection.execute_fetchall(sql, (who,)):
            if count:
                numbers[called[meter_no], by_no[person_no]] = count
    accounts = {_account(name) for name in listed if not name.startswith(RULE)}
    looked_at = orjson.dumps(sorted(accounts)).decode()
    for person_no, currency, amount, lifetime in await connection.execute_fetchall(_BALANCES, (who, looked_at)):
        learner = by_no[person_no]
        if currency.startswith(BADGE_PREFIX):
            numbers[currency, learner] = amount
        else:
            numbers[f"{BALANCE}{currency}", learner] = amount
            numbers[f"{LIFETIME}{currency}", learner] = lifetime
    meters = {no: meter for meter, no in (await names.find(connection, "meter", given)).items()}
    taking = {no: meter for no, meter in meters.items() if meter.startswith(GIVEN)}
    had = await _had(connection, {no: meter for no, meter in meters.items() if no not in taking}, who, by_no)
    return Standing(
        numbers=numbers,
        given=await _given(connection, taking, who, by_no) if taking else {},
        barred=frozenset(each for each in had if numbers.get(each, 0) <= 0),
    )


async def _had(
    connection: aiosqlite.Connection, meters: Mapping[int, str], who: str, by_no: Mapping[int, str]
) -> Iterable[tuple[str, str]]:
    """Badges that were given and no undo took back; what is kept for an award that waits is none."""
    which = orjson.dumps(sorted(meters)).decode()
    rows = await connection.execute_fetchall(_HAD, (which, who)) if meters else ()
    return [(meters[meter_no], by_no[person_no]) for meter_no, person_no in rows]


async def _given(
    connection: aiosqlite.Connection, meters: Mapping[int, str], who: str, by_no: Mapping[int, str]
) -> dict[tuple[str, str], Award]:
    found: dict[tuple[str, str], Award] = {}
    which = orjson.dumps(sorted(meters)).decode()
    for meter_no, person_no, seq, at, entry_id in await connection.execute_fetchall(_GIVEN, (which, who)):
        badge, learner = meters[meter_no].removeprefix(GIVEN), by_no[person_no]
        account = f"{BADGE_PREFIX}{badge}"
        uses = tuple(
            Use(meter=meter, bucket=EVER, learner=learner, at=at, amount=1, slot=seq)
            for meter in (account, meters[meter_no])
        )
        found[badge, learner] = Award(
            marker=seq,
            when=(at, 0),
            role="subject",
            learner=learner,
            scope="",
            generation=0,
            postings=(Posting(currency=account, amount=1),),
            uses=uses,
            entries=(entry_id,),
        )
    return found


async def keep_index(connection: aiosqlite.Connection, names: Names, wanted: Iterable[str]) -> bool:
    """Have the index over the uses of the rules in ``wanted`` names, and over no others; True where it was made anew.

    It is gone where no rule is wanted.
    """
    meters = sorted({once_meter(name) for name in wanted if name.startswith(RULE)})
    numbers = (await names.number(connection, "meter", meters)).values() if meters else ()
    sql = (
        f"CREATE INDEX {INDEX} ON quota_use (person_no, meter_no, freed, seq) WHERE meter_no IN ({_numbers(numbers)})"
        if meters
        else ""
    )
    async with connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", (INDEX,)) as found:
        row = await found.fetchone()
    if (row[0] if row else "") == sql:
        return False
    await connection.execute(f"DROP INDEX IF EXISTS {INDEX}")
    if sql:
        await connection.execute(sql)
    return bool(sql)


def once_meter(name: str) -> str:
    """The meter under which the awards of a rule are counted."""
    return f"once:{name.removeprefix(RULE)}"


def _account(name: str) -> str:
    return name.removeprefix(BALANCE).removeprefix(LIFETIME)


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


async def newest(connection: aiosqlite.Connection) -> int:
    """The seq of the newest entry; 0 where there is none."""
    rows = await connection.execute_fetchall("SELECT coalesce(max(seq), 0) FROM entry")
    return next((int(seq) for (seq,) in rows), 0)


async def moved_since(connection: aiosqlite.Connection, seq: int) -> list[str]:
    """Learners whose accounts entries after ``seq`` moved; erased persons are nobody."""
    sql = (
        "SELECT DISTINCT p.site || ':' || p.lms_user FROM entry e JOIN person p ON p.person_no = e.person_no"
        " WHERE e.seq > ?"
    )
    return [learner for (learner,) in await connection.execute_fetchall(sql, (seq,))]


async def entry_id(connection: aiosqlite.Connection, seq: int) -> str:
    """The id of one entry; an empty text where it is not there."""
    rows = await connection.execute_fetchall(
        "SELECT CAST(body AS TEXT) ->> 'entry_id' FROM entry WHERE seq = ?", (seq,)
    )
    return next((str(found) for (found,) in rows), "")


async def free(connection: aiosqlite.Connection, marker: int) -> None:
    """Give back what the badge of an entry had taken: it may be earned again."""
    await connection.execute("UPDATE quota_use SET freed = 1 WHERE seq = ?", (marker,))


async def learners_after(connection: aiosqlite.Connection, person_no: int, at_most: int) -> list[tuple[int, str]]:
    """(person_no, learner) of the persons after one, in order."""
    sql = "SELECT person_no, site || ':' || lms_user FROM person WHERE person_no > ? ORDER BY person_no LIMIT ?"
    return [(no, learner) for no, learner in await connection.execute_fetchall(sql, (person_no, at_most))]
