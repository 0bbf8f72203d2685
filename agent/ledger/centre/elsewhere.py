"""What persons have in wallets at other agents of the campus, as the catalogue told it last.

Functions that read take a connection; functions that write are units for the writer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiosqlite
import orjson

from agent.ledger.delivery import Unit
from wire.people.known import FIRST, Page, Place

_STAND = "SELECT moved, linked FROM elsewhere_stand"
_KEEP = """
INSERT OR REPLACE INTO elsewhere (person_no, mates, wallets, held)
SELECT p.person_no, ?, ?, ? FROM person p WHERE p.pseudonym = ?
"""
_FORGET = "DELETE FROM elsewhere WHERE person_no IN (SELECT person_no FROM person WHERE pseudonym = ?)"
_HEARD = "UPDATE elsewhere_stand SET moved = ?, linked = ?, at = ?"
_OF = """
SELECT e.mates, e.wallets, e.held FROM elsewhere e JOIN person p ON p.person_no = e.person_no
WHERE p.site || ':' || p.lms_user = ?
"""
_HELD = """
SELECT p.site || ':' || p.lms_user, e.held FROM elsewhere e JOIN person p ON p.person_no = e.person_no
WHERE e.held <> '' ORDER BY p.site, p.lms_user
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What one person has elsewhere.

    ``mates`` are the other wallets' owners as (agent, pseudonym), ``wallets`` sums by currency as (balance, earned) in
    smallest units, ``held`` why another wallet may be theirs and nobody linked it, ``at`` when it was told: seconds
    UTC.
    """

    mates: Sequence[tuple[str, str]] = ()
    wallets: Mapping[str, tuple[int, int]]
    held: str = ""
    at: int = 0


async def stand(connection: aiosqlite.Connection) -> Place:
    """Up to where the catalogue was heard."""
    async with connection.execute(_STAND) as cursor:
        row = await cursor.fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def keep(page: Page) -> Unit:
    """A unit that keeps a proven page; a listing from nothing replaces all that was kept at its first page.

    How far was heard is noted by `heard`.
    """

    async def unit(connection: aiosqlite.Connection) -> None:
        if page.since == (0, 0) and page.after == FIRST:
            await connection.execute("DELETE FROM elsewhere")
        for one in page.people:
            if not (one.mates or one.wallets or one.held):
                await connection.execute(_FORGET, (one.name,))
                continue
            mates, wallets = orjson.dumps(one.mates).decode(), orjson.dumps(one.wallets).decode()
            await connection.execute(_KEEP, (mates, wallets, one.held, one.name))

    return unit


def heard(place: Place, at: int) -> Unit:
    """A unit that notes up to where the catalogue was heard."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute(_HEARD, (*place, at))

    return unit


def keep_other_keys(agents: Sequence[str]) -> Unit:
    """A unit that notes which agents of the campus have another link key."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute("UPDATE elsewhere_stand SET other_keys = ?", (orjson.dumps(agents).decode(),))

    return unit


def of(connection: sqlite3.Connection, learner: str) -> Beside:
    """What a learner (``<site>:<LMS user id>``) has elsewhere; nothing where nobody told."""
    row = connection.execute(_OF, (learner,)).fetchone()
    if row is None:
        return Beside(wallets={})
    (at,) = connection.execute("SELECT at FROM elsewhere_stand").fetchone()
    wallets = {currency: (balance, earned) for currency, (balance, earned) in orjson.loads(row[1]).items()}
    mates = tuple((agent, name) for agent, name in orjson.loads(row[0]))
    return Beside(mates=mates, wallets=wallets, held=row[2], at=at)


def held(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """(learner, why) of everybody who may be one person with somebody of another agent, and nobody linked them."""
    return [(learner, why) for learner, why in connection.execute(_HELD)]


def other_keys(connection: sqlite3.Connection) -> list[str]:
    """Agents of the campus whose link key was another when the catalogue was told last."""
    (listed,) = connection.execute("SELECT other_keys FROM elsewhere_stand").fetchone()
    found: list[str] = orjson.loads(listed)
    return found
