"""When the named periods were in which rules count, so that one is not taken for another that has its name."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import date

import aiosqlite
import orjson

_KEY = "periods"
_IS = "SELECT value FROM setting WHERE key = ?"
_SAY = "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


async def keep(connection: aiosqlite.Connection, spans: Mapping[str, tuple[date, date]]) -> bool:
    """Keep the first and last days of these periods; whether one that was known has others now."""
    rows = list(await connection.execute_fetchall(_IS, (_KEY,)))
    known: dict[str, list[str]] = orjson.loads(rows[0][0]) if rows else {}
    now = {name: [first.isoformat(), last.isoformat()] for name, (first, last) in spans.items()}
    moved = [name for name, span in now.items() if known.get(name, span) != span]
    if now.keys() - known.keys() or moved:
        await connection.execute(_SAY, (_KEY, orjson.dumps({**known, **now}).decode()))
    return bool(moved)


def kept(connection: sqlite3.Connection) -> Mapping[str, tuple[date, date]]:
    """The first and last days of each period as they were when rules last counted in it."""
    row = connection.execute(_IS, (_KEY,)).fetchone()
    found: dict[str, list[str]] = orjson.loads(row[0]) if row is not None else {}
    return {name: (date.fromisoformat(first), date.fromisoformat(last)) for name, (first, last) in found.items()}
