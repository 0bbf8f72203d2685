"""Vouchers that were made beforehand: kept here, given out once, settled with the catalogue once.

Functions that read take a connection; functions that write are units for the writer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiosqlite

from agent import queries
from agent.ledger.delivery import Unit

_SQL = queries.load("agent.ledger.centre", "allowances.sql")
_OF = f"{_SQL['allowance']} WHERE a.state = ? ORDER BY a.asked_at, a.key LIMIT ?"
_KEPT_OF = f"""
{_SQL["allowance"]} WHERE a.state = 'kept' AND a.person_no = ? AND a.reward = ?
ORDER BY a.expires_at IS NULL, a.expires_at, a.asked_at, a.key LIMIT 1
"""
RESTORED = "a restored backup"
"""Who had what a backup cannot know about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One voucher that was made beforehand, without the voucher. ``learner`` is ``<site>:<LMS user id>``."""

    key: str
    person_no: int
    learner: str
    pseudonym: str
    reward: str
    currency: str
    cohorts: tuple[str, ...]
    country: str
    epoch: int
    asked_at: int
    asked_by: str
    redemption: str
    title: str
    paid: int
    expires_at: int | None
    state: str
    ended: str
    shown_at: int | None
    shown_by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What the catalogue made."""

    redemption: str
    title: str
    currency: str
    paid: int
    voucher: str
    expires_at: int | None


async def in_state(conn: aiosqlite.Connection, state: str, limit: int) -> list[Allowance]:
    """Those in a state, the oldest first."""
    return [_allowance(row) for row in await conn.execute_fetchall(_OF, (state, limit))]


async def kept_for(conn: aiosqlite.Connection, person_no: int, reward: str) -> Allowance | None:
    """The one to be given out first for a reward."""
    rows = list(await conn.execute_fetchall(_KEPT_OF, (person_no, reward)))
    return _allowance(rows[0]) if rows else None


async def by_key(conn: aiosqlite.Connection, key: str) -> Allowance | None:
    """The one under a key."""
    rows = list(await conn.execute_fetchall(f"{_SQL['allowance']} WHERE a.key = ?", (key,)))
    return _allowance(rows[0]) if rows else None


def listed(connection: sqlite3.Connection) -> list[Allowance]:
    """All of them, the newest first."""
    return [_allowance(row) for row in connection.execute(f"{_SQL['allowance']} ORDER BY a.asked_at DESC, a.key")]


def add(one: Allowance) -> Unit:
    """A unit that writes down what is about to be asked for."""

    async def unit(conn: aiosqlite.Connection) -> None:
        said = (one.reward, one.currency, json.dumps(list(one.cohorts)), one.country, one.epoch)
        await conn.execute(_SQL["add"], (one.key, one.person_no, *said, one.asked_at, one.asked_by))

    return unit


def keep(key: str, drawn: Drawn) -> Unit:
    """A unit that keeps what was made."""

    async def unit(conn: aiosqlite.Connection) -> None:
        made = (drawn.redemption, drawn.title, drawn.currency, drawn.paid, drawn.voucher, drawn.expires_at)
        await conn.execute(_SQL["keep"], (*made, key))

    return unit


def refuse(key: str, why: str) -> Unit:
    """A unit that says that there will be none."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["refuse"], (why, key))

    return unit


def show(key: str, *, by: str, now: int) -> Callable[[aiosqlite.Connection], Awaitable[str]]:
    """A unit that hands the voucher out, once: it is the learner's before anybody sees it. Empty where it is gone."""

    async def unit(conn: aiosqlite.Connection) -> str:
        rows = list(await conn.execute_fetchall(_SQL["show"], (now, by, key)))
        return str(rows[0][0]) if rows else ""

    return unit


def show_again(name: str, *, by: str, now: int) -> Callable[[aiosqlite.Connection], Awaitable[tuple[str, str] | None]]:
    """A unit that gives (key, voucher) of one that was given out and is not settled yet, by its key or redemption."""

    async def unit(conn: aiosqlite.Connection) -> tuple[str, str] | None:
        rows = list(await conn.execute_fetchall(_SQL["show_again"], (now, by, name, name)))
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    return unit


def give_back(key: str = "", *, epoch: int) -> Callable[[aiosqlite.Connection], Awaitable[int]]:
    """A unit that no longer gives out what was drawn in ``epoch`` and is kept (all, or one); how many.

    The catalogue is to be told. It would refuse those of an epoch before, so they stay for whom they were made.
    """

    async def unit(conn: aiosqlite.Connection) -> int:
        return len(list(await conn.execute_fetchall(_SQL["give_back"], {"key": key, "epoch": epoch})))

    return unit


async def kept_before(conn: aiosqlite.Connection, epoch: int) -> int:
    """How many are kept that only an epoch before ``epoch`` could give back: they stay for whom they were made."""
    ((count,),) = await conn.execute_fetchall(_SQL["kept_before"], (epoch,))
    return int(count)


def settle(redemption: str, state: str, ended: str, why: str = "") -> Unit:
    """A unit that ends one that was shown or returning: the catalogue knows, and the voucher is forgotten here."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["settle"], (ended, why, redemption, state))

    return unit


def doubt(connection: sqlite3.Connection) -> int:
    """Of a backup that is put back: what it keeps may have been given out since, so it counts as spent. How many."""
    return connection.execute(_SQL["doubt"], (RESTORED, "what was given out since the backup is not known")).rowcount


def all_in_doubt(who: str, why: str) -> Unit:
    """A unit that counts what is kept as spent: ``who`` may have had it, and ``why`` that is not known here."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["doubt"], (who, why))

    return unit


def _allowance(row: Any) -> Allowance:
    fields = dict(zip(Allowance.__slots__, row, strict=True))
    return Allowance(**fields | {"cohorts": tuple(json.loads(fields["cohorts"]))})
