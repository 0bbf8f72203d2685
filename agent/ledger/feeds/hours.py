"""How many events each source told of each hour, for eight weeks: what its silence is judged by."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable

import aiosqlite

HOUR_S = 3_600
KEPT_H = 8 * 168 + 24
"""Hours that are kept: eight weeks and a day, so a source has fewer than 1,400 rows."""

_COUNT = """
INSERT INTO feed_hour (source, hour, events) VALUES (?, ?, ?)
ON CONFLICT (source, hour) DO UPDATE SET events = events + excluded.events
"""
_FORGET = "DELETE FROM feed_hour WHERE source = ? AND hour < ?"


async def count(connection: aiosqlite.Connection, source: str, times: Iterable[int], now: int) -> None:
    """Count events by when they happened (seconds UTC); what is too old or in the future says nothing about now."""
    this = now // HOUR_S
    found = Counter(at // HOUR_S for at in times)
    rows = [(source, hour, events) for hour, events in found.items() if this - KEPT_H <= hour <= this]
    if rows:
        await connection.executemany(_COUNT, rows)
        await connection.execute(_FORGET, (source, this - KEPT_H))


def counted(connection: sqlite3.Connection, source: str) -> dict[int, int]:
    """Hours since 1970 → events, of one source."""
    return dict(connection.execute("SELECT hour, events FROM feed_hour WHERE source = ?", (source,)).fetchall())
