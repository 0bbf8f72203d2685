"""Acts that nothing came of are forgotten after a time: found by reading, taken away a few at a time by the writer.

What an award, a reversal or an open hold stands on stays: it is the evidence of an entry, or is still to be decided. Of
what goes, one number for each site remains: up to when acts are forgotten (docs/adr/0079).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import NamedTuple

import aiosqlite
import orjson

AT_ONCE = 500
"""Acts that are taken away in one transaction: nobody waits long for it."""
UPTO = "forgotten_upto:"
"""How settings begin that say up to when (seconds UTC, included) acts of a site are forgotten."""

_DUE = """
SELECT v.event_no, v.occurred_at, v.event_id, coalesce(CAST(v.payload AS TEXT) ->> 'si', n.text)
FROM event v JOIN name n ON n.no = v.source_no
WHERE v.occurred_at < ? AND v.recorded_at < ?
  AND NOT EXISTS (
    SELECT 1 FROM decision d LEFT JOIN hold h ON h.decision_no = d.decision_no
    WHERE d.event_no = v.event_no AND (d.outcome IN (1, 5) OR h.state = 'open')
  )
  AND NOT EXISTS (SELECT 1 FROM restored_award a WHERE a.event_no = v.event_no)
ORDER BY v.occurred_at, v.event_id
"""
_NEWEST = "SELECT max(occurred_at) FROM event"
_FORGOTTEN = "SELECT substr(key, length(?1) + 1), CAST(value AS INTEGER) FROM setting WHERE key GLOB ?1 || '*'"
_KEEP = """
INSERT INTO setting (key, value) VALUES (?1, ?2)
ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE CAST(value AS INTEGER) < CAST(excluded.value AS INTEGER)
"""
_OF_DECISIONS = "SELECT d.decision_no FROM json_each(?) w CROSS JOIN decision d ON d.event_no = w.value"
_GO = (
    f"DELETE FROM hold WHERE decision_no IN ({_OF_DECISIONS})",  # noqa: S608 - the query stands above
    "DELETE FROM decision WHERE event_no IN (SELECT value FROM json_each(?))",
    "DELETE FROM event WHERE event_no IN (SELECT value FROM json_each(?))",
)
_BESIDE = (
    "DELETE FROM state_event WHERE occurred_at = ? AND event_no = ?",
    "DELETE FROM partial_event WHERE occurred_at = ? AND event_no = ?",
)


class Old(NamedTuple):
    """An act that nothing came of."""

    number: int
    occurred_at: int
    event_id: bytes
    site: str


class Forgotten(dict[str, int]):
    """Site → up to when its acts are forgotten."""

    def covers(self, site: str, occurred_at: int) -> bool:
        """Whether an act would be forgotten: nobody knows any more whether it was decided."""
        return occurred_at <= self.get(site, occurred_at - 1)


def due(connection: sqlite3.Connection, *, before: int, pinned: Collection[bytes] = ()) -> list[Old]:
    """What is to go of the acts that happened and were recorded before a time; not those with a pinned id."""
    rows = connection.execute(_DUE, (before, before))
    return [old for row in rows if (old := Old(*row)).event_id not in pinned]


def newest_act(connection: sqlite3.Connection) -> int | None:
    """When the newest act was, by the clocks of those who told it."""
    found: int | None = connection.execute(_NEWEST).fetchone()[0]
    return found


async def forget(connection: aiosqlite.Connection, gone: Sequence[Old]) -> None:
    """Take these away, with what was said about them; inside one of the writer's units."""
    numbers = orjson.dumps([old.number for old in gone]).decode()
    for sql in _GO:
        await connection.execute(sql, (numbers,))
    for sql in _BESIDE:
        await connection.executemany(sql, [(old.occurred_at, old.number) for old in gone])
    upto: dict[str, int] = {}
    for old in gone:
        upto[old.site] = max(old.occurred_at, upto.get(old.site, old.occurred_at))
    await connection.executemany(_KEEP, [(UPTO + site, str(at)) for site, at in upto.items()])


async def load(connection: aiosqlite.Connection) -> Forgotten:
    """How far each site is forgotten."""
    return Forgotten({str(site): int(at) for site, at in await connection.execute_fetchall(_FORGOTTEN, (UPTO,))})


def read(connection: sqlite3.Connection) -> Forgotten:
    """As `load`, for those who only read."""
    return Forgotten(connection.execute(_FORGOTTEN, (UPTO,)).fetchall())
