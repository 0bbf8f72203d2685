"""What of the rules counted until now: what they had not, or had no more, lacks what happened meanwhile."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import aiosqlite
import orjson

_IS = "SELECT value FROM setting WHERE key = ?"
_SAY = "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


async def until_now(
    connection: aiosqlite.Connection, what: str, now: AbstractSet[str], known: AbstractSet[str]
) -> AbstractSet[str]:
    """What of ``what`` counted until now; from here on it is ``now``. Where nothing says, all that is ``known`` did."""
    kept = list(await connection.execute_fetchall(_IS, (what,)))
    text = orjson.dumps(sorted(now)).decode()
    if not kept or kept[0][0] != text:
        await connection.execute(_SAY, (what, text))
    return frozenset(orjson.loads(kept[0][0])) if kept else known
