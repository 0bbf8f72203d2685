"""`archive list|make|verify|drop|load`: months in files, and which of them are there alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    act,
    iso,
    now,
    operator,
    settings,
    show,
    told,
    with_store,
)

if TYPE_CHECKING:
    from catalogue.config import Config
    from catalogue.store import Store

app = typer.Typer(no_args_is_help=True)

Month = Annotated[str, typer.Argument(help="Which, such as 2026-09, in UTC.")]
DirOption = Annotated[
    Path | None, typer.Option("--dir", help="Where the files are.", show_default="archive in the data directory")
]
NAME = "archive"


@app.command(name="list")
@told
def list_(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the months that are in files, and whether their rows are in the database too."""

    async def work(store: Store) -> list[dict[str, Any]]:
        from sqlalchemy import select

        from catalogue.schema import archived_month

        table = archived_month.c
        async with store.reading() as conn:
            rows = (await conn.execute(select(archived_month).order_by(table.month, table.campus))).all()
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
            for row in rows
        ]

    rows = with_store(settings(config, data_dir), work)
    form = "{month}  {campus:24} {entries:>10} entries  {movements:>10} movements  {where}"
    show(
        rows,
        as_json=as_json,
        lines=lambda: [form.format(**row, where=_where(row)) for row in rows] or ["no month is archived"],
    )


def _where(row: dict[str, Any]) -> str:
    return f"files, made {iso(row['made_at'])}" + (" and database" if row["gone_at"] is None else " alone")


@app.command()
@told
def make(
    month: Month,
    campus: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    directory: DirOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a closed month into Parquet files, campus by campus, and read it back. Removes nothing."""
    found = settings(config, data_dir)

    async def work(store: Store) -> list[dict[str, Any]]:
        from catalogue import acts
        from catalogue.archive import making, reading
        from catalogue.archive.files import Place

        root, made = _root(found, directory), []
        _check(month)
        async with store.reading() as conn:
            wanted = [campus] if campus else await reading.campuses(conn, month)
        for name in wanted:
            said = await making.make(store, Place(root=root, month=month, campus=name), now=now(), by=operator())
            async with store.writing() as conn:
                await acts.note(conn, act(name, "archive.make", month), last_no=said["last_no"])
            rows = {table: said["files"][table]["rows"] for table in said["files"]}
            made.append({"month": month, "campus": name, "rows": rows})
        return made

    rows = with_store(found, work, campus=campus)
    form = "{month}  {campus}: {entry} entries, {batch} batches, {movement} movements written and read back"
    show(
        rows,
        as_json=as_json,
        lines=lambda: [form.format(**row, **row["rows"]) for row in rows] or [f"nothing was posted in {month}"],
    )


@app.command()
@told
def verify(
    month: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    directory: DirOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read every archived file: rows, sums, chains and hashes must be what was written. Exit 3 when anything is not."""
    found = settings(config, data_dir)

    async def work(store: Store) -> dict[str, Any]:
        from sqlalchemy import select

        from catalogue.archive import checking
        from catalogue.archive.files import Place
        from catalogue.schema import archived_month

        table = archived_month.c
        wanted = select(archived_month).order_by(table.campus, table.month)
        async with store.reading() as conn:
            rows = (await conn.execute(wanted if month is None else wanted.where(table.month == month))).all()
        root, faults = _root(found, directory), []
        for row in rows:
            place = Place(root=root, month=row.month, campus=row.campus)
            faults += [f"{place.folder}: {fault}" for fault in checking.check(place, bytes(row.manifest))]
        return {"months": len(rows), "faults": faults}

    report = with_store(found, work)
    show(
        report,
        as_json=as_json,
        lines=lambda: [f"{report['months']} months of campuses", *(report["faults"] or ["all agree"])],
    )
    if report["faults"]:
        raise typer.Exit(3)


@app.command()
@told
def drop(
    month: Month,
    directory: DirOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let go of a month's rows in the database, once its files were read back again. The oldest first; PostgreSQL."""
    found = settings(config, data_dir)

    async def work(store: Store, root: Path) -> list[str]:
        from catalogue import acts
        from catalogue.archive import moving

        campuses = await moving.drop(store, root, month, now=now())
        async with store.writing() as conn:
            await acts.note(conn, act(acts.EVERYWHERE, "archive.drop", month), campuses=len(campuses))
        return campuses

    campuses = _moved(found, month, directory, work)
    show(
        {"month": month, "campuses": campuses},
        as_json=as_json,
        lines=lambda: [f"{month} of {len(campuses)} campuses is in the archive alone: keep copies of its files"],
    )


@app.command()
@told
def load(
    month: Month,
    directory: DirOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a month back into the database, and those after it; the files stay. `drop` lets go of them again."""
    found = settings(config, data_dir)

    async def work(store: Store, root: Path) -> list[str]:
        from catalogue import acts
        from catalogue.archive import moving

        months = await moving.load(store, root, month)
        async with store.writing() as conn:
            await acts.note(conn, act(acts.EVERYWHERE, "archive.load", month), months=len(months))
        return months

    months = _moved(found, month, directory, work)
    show({"months": months}, as_json=as_json, lines=lambda: [f"{one} is here again" for one in months])


def _moved(found: Config, month: str, directory: Path | None, work: Callable[[Store, Path], Any]) -> list[str]:
    _check(month)
    moved: list[str] = with_store(found, lambda store: work(store, _root(found, directory)))
    return moved


def _root(found: Config, directory: Path | None) -> Path:
    return directory or found.data_dir / NAME


def _check(month: str) -> None:
    from catalogue.errors import CatalogueError
    from catalogue.store import months

    try:
        months.begins(month)
    except ValueError as exc:
        raise CatalogueError(str(exc)) from None
