"""Writing months into files: a closed month of a campus, read back before anybody may rely on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.archive import checking, files, reading
from catalogue.archive.files import TABLES, Place, Row
from catalogue.errors import CatalogueError, IntegrityError
from catalogue.schema import archived_chain, archived_month, closed_month
from catalogue.statement import lines, pages
from catalogue.store import Store, months
from catalogue.store.rows import MovementRow
from catalogue.wallets import carried, dates
from catalogue.wallets.carried import Folding


async def make(store: Store, place: Place, act: Act) -> dict[str, Any]:
    """Write a month of a campus, read it back, and note that it is there; its manifest. Nothing is removed.

    ``act`` is written down with that: whose it is, when, and what made it.

    Raises:
        CatalogueError: a month of it is open, an older one is not archived, or the files cannot be written.
        IntegrityError: what was read back is not what is in the books.
    """
    files.library()
    async with store.reading() as conn:
        first_no, last_no = await _range(conn, place.campus, place.month)
        beside = files.begin(place)
        digests = {}
        for table in TABLES:
            digests[table] = await files.write(
                beside.file(table), table, reading.pages(conn, place.campus, place.month, table)
            )
        said = {
            "v": files.VERSION,
            "campus": place.campus,
            "month": place.month,
            "made_at": act.at,
            "schema": schema.REVISION,
            "first_no": first_no,
            "last_no": last_no,
            "files": {
                table: {
                    "rows": digest.rows,
                    "rows_sha256": digest.hex(),
                    "file_sha256": files.hashed(beside.file(table)),
                }
                for table, digest in digests.items()
            },
            "sums": await reading.sums(conn, place.campus, place.month),
            "chains": await _chains(conn, place.campus, place.month),
        }
    async with store.reading() as conn:
        there = await reading.counts(conn, place.campus, place.month)
    if {table: digest.rows for table, digest in digests.items()} != there:
        raise IntegrityError(f"{place.folder}: the month changed while it was written", hint="run it again")
    manifest = files.seal(beside, place, said)
    faults = checking.check(place, manifest)
    if faults:
        raise IntegrityError(f"{place.folder}: {faults[0]}", hint="the disk does not keep what it is given")
    await _note(store, place, said, manifest, act)
    return said


async def _range(conn: AsyncConnection, campus: str, month: str) -> tuple[int, int]:
    """The movements of a month that may be archived now."""
    closed = await conn.scalar(select(func.max(closed_month.c.ends_at)).where(closed_month.c.campus == campus))
    if (closed or 0) < months.ends(month):
        raise CatalogueError(
            f"{campus} has an open month in {month}", hint=f"close its months first: finance close {campus}"
        )
    begins = await carried.begins(conn, campus)
    if month <= begins.month:
        raise CatalogueError(f"{month} of {campus} is in the archive alone", hint="its files are there already")
    table = archived_month.c
    before = select(func.max(table.last_no), func.max(table.month)).where(table.campus == campus, table.month < month)
    last, since = (await conn.execute(before)).one()
    if missing := await reading.oldest(conn, campus, since or "", month):
        raise CatalogueError(f"{campus} has books of {missing} before {month}", hint=f"archive make {missing} first")
    first_no = (last or 0) + 1
    return first_no, max(await dates.last_before(conn, campus, months.ends(month)), first_no - 1)


async def _chains(conn: AsyncConnection, campus: str, month: str) -> list[dict[str, Any]]:
    """Of each agent with batches in a month: the chain's heads before the first and after the last."""
    found: dict[str, dict[str, Any]] = {}
    async for page in reading.pages(conn, campus, month, "batch"):
        for row in (dict(zip(files.columns("batch"), one, strict=True)) for one in page):
            mine = found.setdefault(row["agent"], {"agent": row["agent"], "previous": row["previous"].hex()})
            mine |= {"epoch": row["epoch"], "seq": row["last_seq"], "head": row["head"].hex()}
    return [found[name] for name in sorted(found)]


async def _note(store: Store, place: Place, said: dict[str, Any], manifest: bytes, act: Act) -> None:
    """Keep in the database where everything stands at the month's end, so that the books can begin there."""
    campus, last_no = place.campus, said["last_no"]
    async with store.writing() as conn:
        folding = Folding(await lines.accepted_later(conn, campus))
        async for rows in _movements(conn, place):
            folding.begin(await carried.after(conn, campus, folding.missing(rows)))
            folding.fold(rows)
        await folding.keep(conn, campus, said["first_no"])
        agents = await conn.scalars(select(schema.agent.c.agent).where(schema.agent.c.campus == campus))
        for agent in agents.all():
            await pages.mark(conn, campus, agent, last_no)
        await _keep(conn, place, said, {"manifest": manifest, "made_at": act.at, "made_by": act.by})
        await acts.note(conn, act, last_no=last_no)


async def _keep(conn: AsyncConnection, place: Place, said: dict[str, Any], made: dict[str, Any]) -> None:
    """The month, and where chains stood at its end; made again it has the same rows in other files."""
    mine = (archived_month.c.campus == place.campus, archived_month.c.month == place.month)
    if await conn.scalar(select(archived_month.c.month).where(*mine)) is not None:
        await conn.execute(archived_month.update().where(*mine).values(made))
        return
    key = {"campus": place.campus, "month": place.month}
    counted = {"entries": said["files"]["entry"]["rows"], "batches": said["files"]["batch"]["rows"]}
    numbers = {"first_no": said["first_no"], "last_no": said["last_no"]}
    await conn.execute(insert(archived_month), key | counted | numbers | made)
    heads = [
        key | {"agent": one["agent"], "epoch": one["epoch"], "seq": one["seq"], "head": bytes.fromhex(one["head"])}
        for one in said["chains"]
    ]
    if heads:
        await conn.execute(insert(archived_chain), heads)


async def _movements(conn: AsyncConnection, place: Place) -> AsyncIterator[list[MovementRow]]:
    async for page in reading.pages(conn, place.campus, place.month, "movement"):
        yield as_movements(page)


def as_movements(page: list[Row]) -> list[MovementRow]:
    """Rows of a file as the ledger has them."""
    names = files.columns("movement")
    places = [names.index(name) for name in MovementRow._fields]
    return [MovementRow(*(row[at] for at in places)) for row in page]
