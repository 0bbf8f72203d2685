"""What a month of a campus has in the database, page by page and in sums."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.archive.files import PAGE_ROWS, TABLES, Row
from catalogue.store import months
from catalogue.store.sums import halves, whole

_KEYS = {"entry": ("agent", "epoch", "seq"), "batch": ("agent", "epoch", "first_seq"), "movement": ("no",)}


async def pages(conn: AsyncConnection, campus: str, month: str, table: str) -> AsyncIterator[list[Row]]:
    """A table's rows of a month in key order."""
    source = TABLES[table]
    key = [source.c[name] for name in _KEYS[table]]
    places = [list(source.c).index(column) for column in key]
    at: tuple[Any, ...] | None = None
    while True:
        later = [] if at is None else [tuple_(*key) > tuple_(*at)]
        wanted = select(source).where(*_within(campus, month, table), *later).order_by(*key).limit(PAGE_ROWS)
        rows = [tuple(row) for row in await conn.execute(wanted)]
        if rows:
            yield rows
        if len(rows) < PAGE_ROWS:
            return
        at = tuple(rows[-1][place] for place in places)


async def counts(conn: AsyncConnection, campus: str, month: str) -> dict[str, int]:
    """How many rows each table has."""
    found = {}
    for name, table in TABLES.items():
        wanted = select(func.count()).select_from(table).where(*_within(campus, month, name))
        found[name] = int(await conn.scalar(wanted) or 0)
    return found


async def sums(conn: AsyncConnection, campus: str, month: str) -> list[list[Any]]:
    """[currency, kind, how many, amounts, what was waived of them] of a month's movements."""
    table = TABLES["movement"].c
    columns = (table.currency, table.kind, func.count(), *halves(table.amount), *halves(table.waived))
    mine = select(*columns).where(*_within(campus, month, "movement")).group_by(table.currency, table.kind)
    rows = await conn.execute(mine)
    return sorted(
        [currency, kind, count, whole(*parts[:2]), whole(*parts[2:])] for currency, kind, count, *parts in rows
    )


async def campuses(conn: AsyncConnection, month: str) -> list[str]:
    """Whose books have something in a month, by name."""
    found: set[str] = set()
    for table in TABLES.values():
        within = table.c.posted_at >= months.begins(month), table.c.posted_at < months.ends(month)
        found.update(await conn.scalars(select(table.c.campus).where(*within).distinct()))
    return sorted(found)


async def oldest(conn: AsyncConnection, campus: str, since: str, until: str) -> str:
    """The first month with something in it that follows ``since`` and comes before ``until``; nothing if none does."""
    found = []
    begins = months.ends(since) if since else 0
    for name in ("batch", "movement"):
        table = TABLES[name].c
        span = (table.posted_at >= begins, table.posted_at < months.begins(until))
        found.append(await conn.scalar(select(func.min(table.posted_at)).where(table.campus == campus, *span)))
    return min((months.of(at) for at in found if at is not None), default="")


def _within(campus: str, month: str, table: str) -> tuple[ColumnElement[bool], ...]:
    column = TABLES[table].c
    begins, ends = months.begins(month), months.ends(month)
    return column.campus == campus, column.posted_at >= begins, column.posted_at < ends
