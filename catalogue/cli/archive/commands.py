"""`archive list|make|verify|drop|load`: months in files, and which of them are there alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Centre, act, iso
from machine.words import counted

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.acts import Act
    from catalogue.store import Store

    Moving = Callable[[Store, Path, str, Act], Coroutine[Any, Any, list[str]]]

app = Application(no_args_is_help=True)

Month = Annotated[str, typer.Argument(help="Which, such as 2026-09, in UTC.")]
DirOption = Annotated[
    Path | None, typer.Option("--dir", help="Where the files are.", show_default="archive in the data directory")
]
NAME = "archive"


@app.command(name="list")
def list_(centre: Centre, answer: Answer) -> None:
    """List the months that are in files, and whether their rows are in the database too.

    Example: rewards-catalogue archive list
    """

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        return [
            {
                "month": row.month,
                "campus": row.campus,
                "entries": row.entries,
                "batches": row.batches,
                "movements": row.last_no - row.first_no + 1,
                "made_at": row.made_at,
                "made_by": row.made_by,
                "manifest": bytes(row.manifest).hex(),
                "gone_at": row.gone_at,
            }
            for row in await _archived(conn)
        ]

    rows = centre.look(look)
    form = "{month}  {campus:24} {entries:>10} entries  {movements:>10} movements  {where}"
    answer.show(
        rows,
        lines=lambda: [form.format(**row, where=_where(row)) for row in rows] or ["no month is archived"],
    )


async def _archived(conn: AsyncConnection) -> Sequence[Row[Any]]:
    """Every month of a campus that is in files, the oldest first."""
    from sqlalchemy import select

    from catalogue.schema import archived_month

    table = archived_month.c
    return (await conn.execute(select(archived_month).order_by(table.month, table.campus))).all()


def _where(row: dict[str, Any]) -> str:
    return f"files, made {iso(row['made_at'])}" + (" and database" if row["gone_at"] is None else " alone")


@app.command()
def make(
    month: Month,
    campus: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    directory: DirOption = None,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Write a closed month into Parquet files, campus by campus, and read it back. Removes nothing.

    Example: rewards-catalogue archive make 2026-09
    """

    async def work(store: Store) -> list[dict[str, Any]]:
        from catalogue.archive import making, reading
        from catalogue.archive.files import Place

        root, made = _root(centre, directory), []
        _check(month)
        async with store.reading() as conn:
            wanted = [campus] if campus else await reading.campuses(conn, month)
        for name in wanted:
            place = Place(root=root, month=month, campus=name)
            said = await making.make(store, place, act(name, "archive.make", month))
            rows = {table: said["files"][table]["rows"] for table in said["files"]}
            made.append({"month": month, "campus": name, "rows": rows})
        return made

    rows = centre.do(work, campus=campus)
    form = "{month}  {campus}: {entry} entries, {batch} batches, {movement} movements written and read back"
    answer.show(
        rows,
        lines=lambda: [form.format(**row, **row["rows"]) for row in rows] or [f"nothing was posted in {month}"],
    )


@app.command()
def verify(
    month: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    directory: DirOption = None,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Read every archived file: rows, sums, chains and hashes must be what was written. Exit 3 when anything is not.

    Example: rewards-catalogue archive verify 2026-09
    """

    async def work(store: Store) -> dict[str, Any]:
        from catalogue.archive import checking
        from catalogue.archive.files import Place
        from catalogue.errors import CatalogueError

        async with store.reading() as conn:
            rows = [row for row in await _archived(conn) if month in {None, row.month}]
        if month is not None and not rows:
            raise CatalogueError(f"{month} is not archived", hint="see: rewards-catalogue archive list")
        root, faults = _root(centre, directory), []
        for row in rows:
            place = Place(root=root, month=row.month, campus=row.campus)
            faults += [f"{place.folder}: {fault}" for fault in checking.check(place, bytes(row.manifest))]
        return {"months": len(rows), "faults": faults}

    report = centre.do(work)
    answer.show(
        report,
        lines=lambda: [f"{counted(report['months'], 'month')} of campuses", *(report["faults"] or ["all agree"])],
    )
    if report["faults"]:
        raise typer.Exit(3)


@app.command()
def drop(month: Month, directory: DirOption = None, *, centre: Centre, answer: Answer) -> None:
    """Let go of a month's rows in the database, once its files were read back again. The oldest first; PostgreSQL.

    Example: rewards-catalogue archive drop 2026-09
    """
    from catalogue.archive import moving

    campuses = _moved("archive.drop", moving.drop, month, directory, centre)
    of = counted(len(campuses), "campus", "campuses")
    answer.show(
        {"month": month, "campuses": campuses},
        lines=lambda: [f"{month} of {of} is in the archive alone: keep copies of its files"],
    )


@app.command()
def load(month: Month, directory: DirOption = None, *, centre: Centre, answer: Answer) -> None:
    """Bring a month back into the database, and those after it; the files stay. `drop` lets go of them again.

    Example: rewards-catalogue archive load 2026-09
    """
    from catalogue.archive import moving

    months = _moved("archive.load", moving.load, month, directory, centre)
    answer.show({"months": months}, lines=lambda: [f"{one} is here again" for one in months])


def _moved(name: str, do: Moving, month: str, directory: Path | None, centre: Centre) -> list[str]:
    """Let a month go or come; whose, or which months."""
    from catalogue.acts import EVERYWHERE

    _check(month)
    said = act(EVERYWHERE, name, month)
    return centre.do(lambda store: do(store, _root(centre, directory), month, said))


def _root(centre: Centre, directory: Path | None) -> Path:
    return directory or centre.settings.data_dir / NAME


def _check(month: str) -> None:
    from catalogue.errors import CatalogueError
    from catalogue.store import months

    try:
        months.begins(month)
    except ValueError as exc:
        raise CatalogueError(str(exc)) from None
