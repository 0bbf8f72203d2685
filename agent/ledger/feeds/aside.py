"""What of each source could not be taken: written in the transaction of its page, until it is put back in line."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite

from agent import __version__
from agent.apart import Aside

_KEEP = """
INSERT INTO set_aside (source, position, what, fault, version, set_aside_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (source, position) DO UPDATE SET
  what = excluded.what, fault = excluded.fault, version = excluded.version, set_aside_at = excluded.set_aside_at
"""
_PAGE = """
SELECT position, what, fault, version, set_aside_at FROM set_aside
WHERE source = ? AND position >= ? ORDER BY position LIMIT ?
"""
_SUMS = """
SELECT s.source, o.count, o.since, s.position, s.what, s.fault, s.version, s.set_aside_at
FROM (SELECT source, count(*) AS count, min(set_aside_at) AS since, max(position) AS newest
      FROM set_aside GROUP BY source) o
JOIN set_aside s ON s.source = o.source AND s.position = o.newest
ORDER BY s.source
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something set aside, by which ``version`` of this program and when (seconds UTC); else as `Aside`."""

    position: int
    what: str
    fault: str
    version: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What is set aside of one source: how many, since when (seconds UTC), and the newest of them."""

    source: str
    count: int
    since: int
    newest: Kept


async def keep(connection: aiosqlite.Connection, source: str, found: Sequence[Aside], now: int) -> None:
    """Remember what was set aside; inside one of the writer's units."""
    rows = [(source, one.position, one.what, one.fault, __version__, now) for one in found]
    await connection.executemany(_KEEP, rows)


async def forget(connection: aiosqlite.Connection, source: str, positions: Sequence[int]) -> None:
    """These are taken, or gone; inside one of the writer's units."""
    await connection.executemany(
        "DELETE FROM set_aside WHERE source = ? AND position = ?", [(source, position) for position in positions]
    )


async def forget_before(connection: aiosqlite.Connection, source: str, oldest: int) -> None:
    """What stood before the ``oldest`` that a source still keeps (0: it keeps nothing) can never be taken."""
    await connection.execute("DELETE FROM set_aside WHERE source = ?1 AND (position < ?2 OR ?2 = 0)", (source, oldest))


def page(connection: sqlite3.Connection, source: str, after: int, most: int) -> list[Kept]:
    """What is set aside of a source behind a position, in order."""
    return [_kept(row) for row in connection.execute(_PAGE, (source, after + 1, most))]


def at(connection: sqlite3.Connection, source: str, position: int) -> Kept | None:
    """What is set aside there, if anything is."""
    (found,) = page(connection, source, position - 1, 1) or (None,)
    return found if found is not None and found.position == position else None


def sums(connection: sqlite3.Connection) -> list[Sum]:
    """Each source of which something is set aside."""
    return [
        Sum(source=source, count=count, since=since, newest=_kept(newest))
        for source, count, since, *newest in connection.execute(_SUMS)
    ]


def _kept(row: Sequence[Any]) -> Kept:
    position, what, fault, version, set_aside_at = row
    return Kept(position=position, what=what, fault=fault, version=version, at=set_aside_at)
