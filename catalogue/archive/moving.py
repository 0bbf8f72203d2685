"""Letting go of months whose files are sound, and bringing them back: on PostgreSQL, where a month is a partition."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts
from catalogue.acts import Act
from catalogue.archive import checking, files, making, reading
from catalogue.archive.files import TABLES, Place
from catalogue.errors import CatalogueError, IntegrityError, UnavailableError
from catalogue.schema import archived_month, carried_wallet
from catalogue.statement import lines
from catalogue.store import Store, months
from catalogue.store.months import partition
from catalogue.wallets.carried import Folding

LOCK_MS_MAX = 300
"""How long others are kept waiting at once, in milliseconds: less than a database takes to look for a deadlock."""
TRIES_MAX = 40
"""How often it is tried to be alone with the books."""
REST_S = 0.1
"""From one try to the next, in seconds."""

_KEPT = {
    "entry": "rejected IS NOT NULL OR seq = 1",
    "batch": "EXISTS (SELECT FROM kept_entry AS kept WHERE kept.campus = batch.campus"
    " AND kept.agent = batch.agent AND kept.epoch = batch.epoch"
    " AND kept.seq BETWEEN batch.first_seq AND batch.last_seq)",
}
"""What stays: entries that were set aside can be accepted later; an agent's first tells its history from others'."""


async def drop(store: Store, root: Path, month: str, act: Act) -> list[str]:
    """Let go of a month's rows whose files were just read back; whose they were. ``act`` is written down with that.

    Raises:
        CatalogueError: it is not archived for every campus that has something in it, or is not the oldest.
        IntegrityError: a file is not what it was, or the books have more than the files.
    """
    async with store.reading() as conn:
        _need_parts(conn)
        await _need_oldest(conn, month)
        made = await _archived(conn, month)
    for row in made.values():
        _need_sound(Place(root=root, month=month, campus=row.campus), row)
    async with store.writing() as conn:
        for table in TABLES:
            await conn.execute(text(f"LOCK TABLE {partition(table, month)} IN SHARE MODE"))
        await _compare(conn, month, made)
        for table, which in _KEPT.items():
            part = f"{partition(table, month)} AS {table}"
            kept = f"SELECT {table}.* FROM {part} WHERE {which}"  # noqa: S608 - own names
            await conn.execute(text(f"CREATE TEMPORARY TABLE kept_{table} AS {kept}"))
        await acts.note(conn, act, campuses=len(made))
        await _alone(conn)
        for table in TABLES:
            await conn.execute(text(f"ALTER TABLE {table} DETACH PARTITION {partition(table, month)}"))
            await conn.execute(text(f"DROP TABLE {partition(table, month)}"))
        for table in _KEPT:
            await conn.execute(text(f"INSERT INTO {table} SELECT * FROM kept_{table}"))  # noqa: S608 - own names
        for table in _KEPT:
            await conn.execute(text(f"DROP TABLE kept_{table}"))
        await conn.execute(update(archived_month).where(archived_month.c.month == month).values(gone_at=act.at))
        for row in made.values():
            await _forget_older(conn, row.campus, row.last_no)
    return sorted(made)


async def load(store: Store, root: Path, month: str, act: Act) -> list[str]:
    """Bring a month back, and before it all later ones that are in files alone; the months, newest first.

    ``act`` is written down with each. What wallets carry into them is worked out from the files of months before.

    Raises:
        CatalogueError: it is not in the archive alone.
        IntegrityError: a file is not what it was, of these months or of one before them.
    """
    async with store.reading() as conn:
        _need_parts(conn)
        table = archived_month.c
        found = select(table.month).where(table.gone_at.is_not(None), table.month >= month).distinct()
        wanted = sorted(await conn.scalars(found), reverse=True)
        if month not in wanted:
            raise CatalogueError(f"{month} is not in the archive alone", hint="see: rewards-catalogue archive list")
        read = (await conn.execute(select(archived_month).where(table.month <= wanted[0]))).all()
    for row in read:
        _need_sound(Place(root=root, month=row.month, campus=row.campus), row)
    for one in wanted:
        await _load(store, root, one, replace(act, about=one))
    return wanted


async def _load(store: Store, root: Path, month: str, act: Act) -> None:
    """Bring one month back whose files, and those of the months before it, are sound."""
    async with store.writing() as conn:
        rows = (await conn.execute(select(archived_month).where(archived_month.c.month == month))).all()
        for row in rows:
            await _carry(conn, root, row)
        for table in TABLES:
            part = partition(table, month)
            await conn.execute(text(f"CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"))
            for row in rows:
                await _copy(conn, part, table, Place(root=root, month=month, campus=row.campus))
        await acts.note(conn, act)
        await _alone(conn)
        for table in TABLES:
            await _attach(conn, table, month)
        await conn.execute(update(archived_month).where(archived_month.c.month == month).values(gone_at=None))


async def _attach(conn: AsyncConnection, table: str, month: str) -> None:
    """Make a part one of the books again; what stayed here of the month is in it too."""
    rest, begins, ends = f"{table}_rest", months.begins(month), months.ends(month)
    within = f"posted_at >= {begins} AND posted_at < {ends}"
    await conn.execute(text(f"ALTER TABLE {rest} DISABLE TRIGGER USER"))
    await conn.execute(text(f"DELETE FROM {rest} WHERE {within}"))  # noqa: S608 - own names
    await conn.execute(text(f"ALTER TABLE {rest} ENABLE TRIGGER USER"))
    span = f"FROM ({begins}) TO ({ends})"
    await conn.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {partition(table, month)} FOR VALUES {span}"))


async def _alone(conn: AsyncConnection) -> None:
    """Keep everybody else out of the books until the transaction ends.

    Never waits long with a part of them in hand: others take them in other orders. `agent` is what batches hold first.

    Raises:
        UnavailableError: somebody was always there.
    """
    for _ in range(TRIES_MAX):
        with contextlib.suppress(DBAPIError):
            async with conn.begin_nested():
                await conn.execute(text(f"SET LOCAL lock_timeout = '{LOCK_MS_MAX}ms'"))
                await conn.execute(text(f"LOCK TABLE agent, {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE"))
            return
        await asyncio.sleep(REST_S)
    raise UnavailableError("somebody reads the books all the time", hint="nothing was changed; try again later")


async def _carry(conn: AsyncConnection, root: Path, row: Row[Any]) -> None:
    """Work out again, from the files of the months before, what wallets carried into this one."""
    table = archived_month.c
    before = select(table.month, table.first_no).where(table.campus == row.campus, table.month < row.month)
    folding, first_no = Folding(await lines.accepted_later(conn, row.campus)), 0
    for month, first in (await conn.execute(before.order_by(table.month))).all():
        first_no = first_no or first
        for page in files.read(Place(root=root, month=month, campus=row.campus).file("movement")):
            folding.fold(making.as_movements(page))
    await folding.keep(conn, row.campus, first_no or 1)


async def _copy(conn: AsyncConnection, part: str, table: str, place: Place) -> None:
    driver: asyncpg.Connection = (await conn.get_raw_connection()).driver_connection
    for page in files.read(place.file(table)):
        await driver.copy_records_to_table(part, records=page, columns=files.columns(table))


def _need_parts(conn: AsyncConnection) -> None:
    if conn.dialect.name == "sqlite":
        raise CatalogueError(
            "an embedded catalogue keeps all its months", hint="letting go of them is for PostgreSQL; files may be made"
        )


def _need_sound(place: Place, row: Row[Any]) -> None:
    faults = checking.check(place, bytes(row.manifest))
    if faults:
        raise IntegrityError(f"{place.folder}: {faults[0]}", hint="take this month from a copy of the archive")


async def _need_oldest(conn: AsyncConnection, month: str) -> None:
    parts = await conn.scalars(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'movement'::regclass ORDER BY 1")
    )
    there = [name.removeprefix("movement_").replace("_", "-") for name in parts if not name.endswith("_rest")]
    if month not in there:
        raise CatalogueError(f"{month} is not here", hint="see: rewards-catalogue archive list")
    for older in sorted(there):
        if older < month and await reading.campuses(conn, older):
            raise CatalogueError(f"{older} is older than {month} and still here", hint=f"archive drop {older} first")


async def _archived(conn: AsyncConnection, month: str) -> dict[str, Row[Any]]:
    """What was archived of a month, by campus: it must be all that is there."""
    rows = await conn.execute(select(archived_month).where(archived_month.c.month == month))
    made = {row.campus: row for row in rows}
    missing = [name for name in await reading.campuses(conn, month) if name not in made]
    if missing:
        raise CatalogueError(
            f"{month} is not archived for {len(missing)} campuses, such as {missing[0]}",
            hint=f"rewards-catalogue archive make {month}",
        )
    return made


async def _compare(conn: AsyncConnection, month: str, made: dict[str, Row[Any]]) -> None:
    """See, while nobody else can, that the parts have as many rows as the files that were read back."""
    counted = {"entry": "entries", "batch": "batches"}
    for table in TABLES:
        part = partition(table, month)
        found = await conn.execute(text(f"SELECT campus, count(*) FROM {part} GROUP BY campus"))  # noqa: S608 - own names
        there: dict[str, int] = {row[0]: row[1] for row in found}
        for campus in sorted({*there, *made}):
            row = made.get(campus)
            wanted = 0 if row is None else _rows(row, counted.get(table))
            if there.get(campus, 0) != wanted:
                raise IntegrityError(
                    f"{part} has {there.get(campus, 0)} rows of {campus}, its file {wanted}", hint="nothing was removed"
                )


def _rows(row: Row[Any], column: str | None) -> int:
    return row.last_no - row.first_no + 1 if column is None else int(getattr(row, column))


async def _forget_older(conn: AsyncConnection, campus: str, no: int) -> None:
    """Of each wallet the newest that is carried over is enough; older ones can be worked out from the files."""
    table = carried_wallet.c
    newest = select(func.max(table.no)).where(table.campus == campus, table.no <= no)
    kept = newest.group_by(table.learner, table.currency)
    await conn.execute(delete(carried_wallet).where(table.campus == campus, table.no <= no, table.no.not_in(kept)))
