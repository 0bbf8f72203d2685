"""When the named periods were in which rules count, so that one is not taken for another that has its name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import aiosqlite
import orjson

from agent.errors import ConfigError

_KEY = "periods"
_IS = "SELECT value FROM setting WHERE key = ?"
_SAY = "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


_COUNTED = "SELECT 1 FROM quota_use WHERE instr('|' || bucket || '|', '|' || ? || '|') > 0 LIMIT 1"
"""A period alone is what limits count in; a scope can have it beside other parts."""


async def keep(connection: aiosqlite.Connection, spans: Mapping[str, tuple[date, date]]) -> bool:
    """Keep the first and last days of these periods; whether one that was known has others now.

    Raises:
        ConfigError: one is another by now, with no day in common: what was counted in it would count there too.
    """
    rows = list(await connection.execute_fetchall(_IS, (_KEY,)))
    known: dict[str, list[str]] = orjson.loads(rows[0][0]) if rows else {}
    now = {name: [first.isoformat(), last.isoformat()] for name, (first, last) in spans.items()}
    moved = [name for name, span in now.items() if known.get(name, span) != span]
    for name in moved:
        (before, after), (first, last) = known[name], now[name]
        if (last < before or after < first) and list(await connection.execute_fetchall(_COUNTED, (name,))):
            raise ConfigError(
                f"[period.{name}] was {before} to {after} and is {first} to {last}: what was counted in the one would"
                " count in the other, and who has reached a limit would get nothing",
                hint=f"give the new one a name of its own, such as {name}-{first[:4]}, wherever the rules say {name}",
            )
    if now.keys() - known.keys() or moved:
        await connection.execute(_SAY, (_KEY, orjson.dumps({**known, **now}).decode()))
    return bool(moved)
