"""What learners asked the catalogue for: written before it is sent, settled once.

Functions that read take a connection of either kind's rows; functions that write are units for the writer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import aiosqlite

from agent import queries
from agent.ledger.delivery import Unit

_SQL = queries.load("agent.ledger.centre", "wishes.sql")
_OF_KEY = f"{_SQL['wish']} WHERE w.key = ?"
_OF_NAME = f"{_SQL['wish']} WHERE w.key = :name OR (w.redemption <> '' AND w.redemption = :name)"
_OPEN = f"{_SQL['wish']} WHERE w.state = 'asked' ORDER BY w.wish_no"
_OPEN_OF = f"{_SQL['wish']} WHERE w.state = 'asked' AND w.person_no = ? AND w.reward = ? ORDER BY w.wish_no LIMIT 1"
_LISTED = (
    f"{_SQL['wish']} WHERE :learner = '' OR p.site || ':' || p.lms_user = :learner ORDER BY w.wish_no DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One wish as it is kept. ``learner`` is ``<site>:<LMS user id>``; times are seconds UTC.

    ``state`` is asked (open), granted, refused, or void: it never arrived and never will.
    """

    key: str
    person_no: int
    learner: str
    pseudonym: str
    reward: str
    currency: str
    cohorts: tuple[str, ...]
    country: str
    asked_at: int
    asked_by: str
    attempts: int = 0
    state: str
    settled_at: int | None
    why: str
    redemption: str
    title: str
    paid_currency: str
    paid: int
    shown_at: int | None
    shown_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What the catalogue gave for a wish."""

    redemption: str
    title: str
    currency: str
    amount: int

    @classmethod
    def told(cls, fields: Mapping[str, Any]) -> Self:
        """What an answer says of it."""
        named = {name: str(fields[name]) for name in ("redemption", "title", "currency")}
        return cls(**named, amount=int(fields["amount"]))


async def person(conn: aiosqlite.Connection, learner: str) -> tuple[int, str] | None:
    """(number, pseudonym) of a learner; None of one who never earned anything."""
    site, _, user = learner.partition(":")
    rows = list(await conn.execute_fetchall(_SQL["person"], (site, user)))
    return (rows[0][0], rows[0][1]) if rows else None


async def by_key(conn: aiosqlite.Connection, key: str) -> Wish | None:
    """The wish under a key."""
    return await _one(conn, _OF_KEY, (key,))


async def called(conn: aiosqlite.Connection, name: str) -> Wish | None:
    """The wish under a key, or that became the redemption of that name."""
    return await _one(conn, _OF_NAME, {"name": name})


async def still_open(conn: aiosqlite.Connection, person_no: int, reward: str) -> Wish | None:
    """A wish of this person for this reward that nobody knows the end of."""
    return await _one(conn, _OPEN_OF, (person_no, reward))


async def all_open(conn: aiosqlite.Connection) -> list[Wish]:
    """Open wishes, oldest first."""
    return [_wish(row) for row in await conn.execute_fetchall(_OPEN)]


def listed(connection: sqlite3.Connection, *, learner: str = "", limit: int = 100) -> list[Wish]:
    """The newest wishes, newest first; with a ``learner`` (``<site>:<LMS user id>``) only theirs."""
    return [_wish(row) for row in connection.execute(_LISTED, {"learner": learner, "limit": limit})]


def add(wish: Wish) -> Unit:
    """A unit that writes a wish down before it is sent."""

    async def unit(conn: aiosqlite.Connection) -> None:
        said = (wish.reward, wish.currency, json.dumps(list(wish.cohorts)), wish.country)
        await conn.execute(_SQL["add"], (wish.key, wish.person_no, *said, wish.asked_at, wish.asked_by))

    return unit


def attempted(key: str) -> Unit:
    """A unit that notes that a wish is about to be sent once more."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["attempted"], (key,))

    return unit


def doubted(key: str, why: str) -> Unit:
    """A unit that notes that an attempt was given up, and what was heard of it: it may still arrive."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["doubted"], (why, key))

    return unit


def settle(key: str, state: str, *, now: int, why: str = "", granted: Granted | None = None) -> Unit:
    """A unit that ends a wish; one that has ended stays as it is."""

    async def unit(conn: aiosqlite.Connection) -> None:
        given = ("", "", "", 0)
        if granted is not None:
            given = (granted.redemption, granted.title, granted.currency, granted.amount)
        await conn.execute(_SQL["settle"], (state, now, why, *given, key))

    return unit


def shown(key: str, *, by: str, now: int) -> Unit:
    """A unit that notes who was shown the voucher."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["shown"], (now, by, key))

    return unit


async def _one(conn: aiosqlite.Connection, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> Wish | None:
    async with conn.execute(sql, values) as cursor:
        row = await cursor.fetchone()
    return None if row is None else _wish(row)


def _wish(row: Any) -> Wish:
    fields = dict(zip(Wish.__slots__, row, strict=True))
    return Wish(**fields | {"learner": fields["learner"] or "", "cohorts": tuple(json.loads(fields["cohorts"]))})
