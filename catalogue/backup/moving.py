"""Books that grew in SQLite, brought into an empty database of PostgreSQL: all of them, or nothing."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Table, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.backup import embedded, postgres
from catalogue.backup.holding import Hold
from catalogue.errors import IntegrityError
from catalogue.store import Store, database_said, months
from catalogue.store.postgres import copy_in
from machine.whole import in_a_thread

PAGE_ROWS = 10_000


class Move:
    """A copy of an embedded database, put into one of PostgreSQL."""

    file = embedded.Embedded.file

    async def load(self, copy: Path, url: URL, aside: Path, hold: Hold) -> Path | None:
        """Make the tables and fill them, in one transaction, which is undone where the books do not hold.

        The copy may be of an older schema: what is read is a copy of it, brought to this program's.

        Raises:
            ConfigError: the database is not empty.
            IntegrityError: a row cannot be kept there.
            UnavailableError: the disk is full, or the database does not answer.
        """
        await postgres.require_empty(url)
        fresh = aside.with_name(f".{self.file}.moving")
        try:
            await in_a_thread(embedded.lay_beside, copy, fresh)
            source = await Store.open(URL.create("sqlite", database=str(fresh)), check_schema=False)
            try:
                await source.upgrade()
                await _moved(source, url, hold)
            finally:
                await source.close()
        finally:
            await in_a_thread(embedded.clear, fresh)
        return None


async def _moved(source: Store, url: URL, hold: Hold) -> None:
    target = await Store.open(url, check_schema=False)

    async def fill(conn: AsyncConnection, _had: str | None) -> None:
        async with source.reading() as books:
            await target.dialect.make_months(conn, await _months(books))
            for table in _in_order():
                await _poured(books, conn, table)
        await hold(conn)

    try:
        await target.upgrade(also=fill)
    finally:
        await target.close()


def _in_order() -> list[Table]:
    """What is referred to first; closed months after the movements that they close the door to."""
    closed = schema.closed_month
    after = {closed, *(table for table in schema.metadata.sorted_tables if _refers(table, closed))}
    return sorted(schema.metadata.sorted_tables, key=lambda table: table in after)


def _refers(table: Table, to: Table) -> bool:
    return any(key.column.table is to for key in table.foreign_keys)


async def _months(books: AsyncConnection) -> list[str]:
    """Those in which something was posted, each of which has a partition of its own."""
    found: set[str] = set()
    for name in months.TABLES:
        at = schema.metadata.tables[name].c.posted_at
        found.update((await books.scalars(select(func.strftime("%Y-%m", at, "unixepoch")).distinct())).all())
    return sorted(found)


async def _poured(books: AsyncConnection, conn: AsyncConnection, table: Table) -> None:
    names = [column.name for column in table.columns]
    rows = await books.stream(select(table))
    async for page in rows.partitions(PAGE_ROWS):
        try:
            await copy_in(conn, table.name, names, [tuple(row) for row in page])
        except DBAPIError as exc:
            raise IntegrityError(
                f"a row of {table.name} cannot be kept in PostgreSQL: {database_said(exc)}",
                hint="nothing was written; see the row in the SQLite database, or ask for help with this line",
            ) from None
