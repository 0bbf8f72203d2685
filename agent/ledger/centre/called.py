"""Of whom the catalogue was told what they are called: who is due to be looked up, what is under way, what it has.

Functions that read take a connection; functions that write are units for the writer. No name is ever kept here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import aiosqlite
import orjson

from agent.ledger import delivery
from agent.ledger.delivery import Unit
from agent.ledger.merging.aliases import Account
from agent.ledger.record.agreed import OPT_IN

TOLD_AS = "names_told_as"
"""The setting that says what the catalogue was told, and of whom; not there where nothing was since a withdrawal."""
REGISTER = "names_register"
UPTO = "names_upto"
"""Up to which entry everybody who has one is known here."""
WITHDRAWN = "names_withdrawn_at"
UNKNOWN = "unknown"
"""What was told is not known: this ledger was put back."""
SCANNED_MAX = 10_000
"""Entries that are looked at in one go."""

_WITHOUT = """
EXISTS (SELECT 1 FROM alias a WHERE (a.site, a.lms_user) = (p.site, p.lms_user))
OR EXISTS (SELECT 1 FROM opted_out o WHERE (o.site, o.lms_user) = (p.site, p.lms_user) AND o.until IS NULL)
OR (:asked AND NOT EXISTS
  (SELECT 1 FROM agreed g WHERE (g.site, g.lms_user) = (p.site, p.lms_user) AND g.until IS NULL))
"""
"""Who has no name there: accounts that are another's, who takes no part, and, where people are asked, who said no."""
_DUE = f"""
SELECT p.person_no, p.site, p.lms_user, p.pseudonym, p.secret, t.digest, t.told_at, t.acked, t.news, {_WITHOUT}
FROM name_told t JOIN person p ON p.person_no = t.person_no
WHERE t.looked_at <= :before OR t.looked_at > :now
ORDER BY t.looked_at, t.person_no LIMIT :most
"""  # noqa: S608 - our own words
_NEW = f"""
SELECT p.person_no, p.site, p.lms_user, p.pseudonym, p.secret, '', 0, 1, 0, {_WITHOUT}
FROM person p WHERE p.person_no IN (SELECT DISTINCT person_no FROM entry WHERE seq > :after AND seq <= :upto)
  AND NOT EXISTS (SELECT 1 FROM name_told t WHERE t.person_no = p.person_no)
ORDER BY p.person_no LIMIT :most
"""  # noqa: S608 - as above
_HAVING = "SELECT DISTINCT person_no FROM entry WHERE seq > ? AND seq <= ?"
_ADMIT = """
INSERT OR IGNORE INTO name_told (person_no)
SELECT person_no FROM person WHERE person_no IN (SELECT value FROM json_each(?))
"""
_INTEND = """
UPDATE name_told SET said_by = ?, digest = ?, told_at = ?, acked = 0, looked_at = 0 WHERE person_no = ?
"""
_STILL = "SELECT person_no FROM name_told WHERE person_no IN (SELECT value FROM json_each(?)) AND NOT acked"
_ACKED = "UPDATE name_told SET acked = 1 WHERE person_no = ? AND told_at = ?"
_LOOKED = "UPDATE name_told SET looked_at = ? WHERE person_no = ? AND news = ?"
_ALL_NEWS = "UPDATE name_told SET looked_at = 0, news = news + 1"
_NOTHING_THERE = "UPDATE name_told SET looked_at = 0, news = news + 1, acked = digest = ''"
_SET = "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)"
_COUNTS = """
SELECT count(*) FILTER (WHERE digest <> '' AND acked), count(*) FILTER (WHERE looked_at = 0 OR NOT acked), count(*)
FROM name_told
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the catalogue was told as (empty: nothing), in which of its registers, of whom up to which entry.

    ``withdrawn_at`` is until when all was taken back last, in seconds UTC.
    """

    told_as: str = ""
    register: str = ""
    upto: int = 0
    withdrawn_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Due:
    """Somebody to be looked up, and what was told of them last. ``barred``: they have no name there, whatever it is.

    Has no repr that could end in a log.
    """

    person_no: int
    account: Account
    pseudonym: str
    secret: bytes
    digest: str
    told_at: int
    acked: bool
    news: int
    barred: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Intent:
    """What is about to be told of somebody: their ``name``, empty where they have none any more."""

    due: Due
    name: str
    digest: str
    told_at: int


def asks_first(participation: str) -> bool:
    """Whether learners are asked before they take part."""
    return participation == OPT_IN


async def standing(conn: aiosqlite.Connection) -> Standing:
    """Where it stands."""
    found = await delivery.settings(conn, (TOLD_AS, REGISTER, UPTO, WITHDRAWN))
    return Standing(
        told_as=found.get(TOLD_AS, ""),
        register=found.get(REGISTER, ""),
        upto=int(found.get(UPTO, 0)),
        withdrawn_at=int(found.get(WITHDRAWN, 0)),
    )


async def due(conn: aiosqlite.Connection, *, before: int, now: int, asked: bool, most: int) -> list[Due]:
    """At most so many who were looked up at ``before`` or earlier, or ahead of ``now``: by a clock that was wrong."""
    said = {"before": before, "now": now, "asked": asked, "most": most}
    return [_due(row) for row in await conn.execute_fetchall(_DUE, said)]


async def coming(conn: aiosqlite.Connection, *, after: int, upto: int, asked: bool, most: int) -> list[Due]:
    """At most so many of those who are not known here yet and have one of these entries."""
    said = {"after": after, "upto": upto, "asked": asked, "most": most}
    return [_due(row) for row in await conn.execute_fetchall(_NEW, said)]


def _due(row: Iterable[object]) -> Due:
    number, site, user, pseudonym, secret, digest, told_at, acked, news, barred = row
    return Due(
        person_no=int(str(number)),
        account=(str(site), str(user)),
        pseudonym=str(pseudonym),
        secret=secret if isinstance(secret, bytes) else b"",
        digest=str(digest),
        told_at=int(str(told_at)),
        acked=bool(acked),
        news=int(str(news)),
        barred=bool(barred),
    )


async def having(conn: aiosqlite.Connection, after: int, upto: int) -> tuple[list[int], int]:
    """(whose entries these are, up to which entry was looked: not too many at once)."""
    last = min(upto, after + SCANNED_MAX)
    return [number for (number,) in await conn.execute_fetchall(_HAVING, (after, last))], last


def admit(numbers: Collection[int], upto: int) -> Unit:
    """A unit that makes these persons known here, and notes up to which entry they are all."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute(_ADMIT, (orjson.dumps(sorted(numbers)).decode(),))
        await connection.execute(_SET, (UPTO, str(upto)))

    return unit


def begin(told_as: str) -> Unit:
    """A unit that notes as what names are told from now on: everybody is looked up anew."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute(_SET, (TOLD_AS, told_as))
        await connection.execute(_ALL_NEWS)

    return unit


def adopt(register: str) -> Unit:
    """A unit that notes which register the catalogue has; nothing that was told is in it."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute(_SET, (REGISTER, register))
        await connection.execute(_NOTHING_THERE)

    return unit


def all_again() -> Unit:
    """A unit that notes that the catalogue may know nothing: it was put back from an older copy."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute("UPDATE name_told SET acked = 0, looked_at = 0, news = news + 1 WHERE told_at")

    return unit


def intend(intents: Sequence[Intent], said_by: str) -> Unit:
    """A unit that notes what is about to be told; it is noted before it is sent, so that nothing is told unknown."""
    rows = [(said_by if one.name else "", one.digest, one.told_at, one.due.person_no) for one in intents]

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.executemany(_INTEND, rows)

    return unit


async def still(conn: aiosqlite.Connection, intents: Sequence[Intent]) -> list[Intent]:
    """Those of whom it is still to be told: whoever was erased meanwhile is here no more."""
    listed = orjson.dumps([one.due.person_no for one in intents]).decode()
    there = {number for (number,) in await conn.execute_fetchall(_STILL, (listed,))}
    return [one for one in intents if one.due.person_no in there]


def told(intents: Sequence[Intent], now: int) -> Unit:
    """A unit that notes that the catalogue has it."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.executemany(_ACKED, [(one.due.person_no, one.told_at) for one in intents])
        await connection.executemany(_LOOKED, [(now, one.due.person_no, one.due.news) for one in intents])

    return unit


def looked(people: Sequence[Due], at: int) -> Unit:
    """A unit that notes when these were looked up; whoever was news meanwhile is still due."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.executemany(_LOOKED, [(at, one.person_no, one.news) for one in people])

    return unit


def withdrawn(at: int) -> Unit:
    """A unit that notes that the catalogue has nothing any more of what was told until then (seconds UTC)."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute("DELETE FROM name_told")
        await connection.execute("DELETE FROM setting WHERE key IN (?, ?, ?)", (TOLD_AS, REGISTER, UPTO))
        await connection.execute(_SET, (WITHDRAWN, str(at)))

    return unit


async def newest_told(conn: aiosqlite.Connection) -> int:
    """The latest time that anything was told with, in seconds UTC; 0 where nothing was."""
    rows = list(await conn.execute_fetchall("SELECT coalesce(max(told_at), 0) FROM name_told"))
    return int(rows[0][0])


def put_back(connection: sqlite3.Connection) -> None:
    """Note in a ledger that is put in place that nobody knows what was told since: it is taken back before all else."""
    connection.execute(_SET, (TOLD_AS, UNKNOWN))


def counts(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """(who has a name there, of whom something is still to be looked up or told, how many are known here)."""
    named, waiting, known = connection.execute(_COUNTS).fetchone()
    return int(named), int(waiting), int(known)
