"""Partitions of PostgreSQL for months in UTC: made before they are needed, by whoever comes first."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

TABLES = ("entry", "batch", "movement")
"""What grows with every entry; each has `posted_at`, and a partition `_rest` for what has no month of its own."""
AHEAD = 3
"""Months that are made beforehand, the present one not counted."""
LOCK_MS_MAX = 500
"""How long making one may keep others waiting, in milliseconds; who cannot in that time tries again later."""

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(7206154, 13)")
# Not to_regclass(): what it once did not find it may remember, past the end of another's transaction.
_THERE = text("SELECT EXISTS (SELECT FROM pg_class WHERE relname = :name AND pg_table_is_visible(oid))")
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def of(at: int) -> str:
    """The month of a moment: `2026-09`, UTC."""
    return time.strftime("%Y-%m", time.gmtime(at))


def begins(month: str) -> int:
    """Its first second, since 1970.

    Raises:
        ValueError: it is no month.
    """
    found = _MONTH.fullmatch(month)
    if found is None:
        raise ValueError(f"{month!r} is no month such as 2026-09")
    return calendar.timegm((int(found[1]), int(found[2]), 1, 0, 0, 0))


def ends(month: str) -> int:
    """The first second that is no longer in it."""
    return begins(after(month))


def after(month: str) -> str:
    """The month that follows."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + 1:04}-01" if number == 12 else f"{year:04}-{number + 1:02}"  # noqa: PLR2004 - months of a year


def coming(now: int) -> list[str]:
    """This month and those that are made beforehand."""
    found = [of(now)]
    while len(found) <= AHEAD:
        found.append(after(found[-1]))
    return found


def partition(table: str, month: str) -> str:
    """The name of a table's part for a month."""
    return f"{table}_{month.replace('-', '_')}"


async def make(conn: AsyncConnection, wanted: Sequence[str]) -> list[str]:
    """Make the parts of these months that are not there; the months for which something was made, in order.

    Two that make the same wait for each other, and the second finds nothing to do. Whoever writes is not kept waiting:
    a part is made beside the table and attached. What lies in its span and came before it was there goes into it.
    """
    missing = [(table, month) for month in wanted for table in TABLES if not await _is_there(conn, table, month)]
    if not missing:
        return []
    await conn.execute(_ONE_AT_A_TIME)
    await conn.execute(text(f"SET LOCAL lock_timeout = '{LOCK_MS_MAX}ms'"))
    made = [(table, month) for table, month in missing if not await _is_there(conn, table, month)]
    for table, month in made:
        await _make(conn, table, month)
    return sorted({month for _, month in made})


async def _is_there(conn: AsyncConnection, table: str, month: str) -> bool:
    return bool(await conn.scalar(_THERE, {"name": partition(table, month)}))


async def _make(conn: AsyncConnection, table: str, month: str) -> None:
    name, rest = partition(table, month), f"{table}_rest"
    within = f"posted_at >= {begins(month)} AND posted_at < {ends(month)}"
    await conn.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"))
    if await conn.scalar(text(f"SELECT EXISTS (SELECT FROM {rest} WHERE {within})")):  # noqa: S608 - own names
        # The trigger that refuses changes looks on while rows go from one part of the books to another.
        await conn.execute(text(f"ALTER TABLE {rest} DISABLE TRIGGER USER"))
        await conn.execute(text(f"INSERT INTO {name} SELECT * FROM {rest} WHERE {within}"))  # noqa: S608 - own names
        await conn.execute(text(f"DELETE FROM {rest} WHERE {within}"))  # noqa: S608 - own names
        await conn.execute(text(f"ALTER TABLE {rest} ENABLE TRIGGER USER"))
    span = f"FROM ({begins(month)}) TO ({ends(month)})"
    await conn.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {span}"))
