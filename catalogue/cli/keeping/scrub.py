"""`scrub`: nobody who was erased is left in the database's files, however large a table is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Centre, act, iso
from machine.words import counted, size

if TYPE_CHECKING:
    from catalogue.store import Store
    from catalogue.store.scrubbing import Left


def scrub(
    wait: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, max=3600, help="How long whoever uses a table is waited for.")
    ] = 10,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only told which tables it is.")] = False,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Write the tables anew in whose files somebody may be left who was erased. In a quiet hour; PostgreSQL only.

    A server does that by itself within minutes, but for tables of more than 64 MB, which nobody could read meanwhile:
    learners' names, sealed copies and words stay in their files until this is done. Each table is shut while it is
    written, about a minute for each gigabyte, and the database needs as much free disk for it; servers may go on, and
    wait. What somebody holds longer than --wait is left and told, exit 1: the same again does the rest.

    Example: rewards-catalogue scrub --yes
    """
    if not yes:
        _told(centre, answer)
        return
    done = centre.do(lambda store: _written(store, wait))
    answer.show(done, lines=lambda: [_line(one) for one in done])
    if any(one["waits"] for one in done):
        raise typer.Exit(1)


def _told(centre: Centre, answer: Answer) -> None:
    from catalogue.store import scrubbing

    found = centre.look(scrubbing.left)
    rows = [_facts(one) for one in found]
    answer.show(rows, lines=lambda: [f"{one.name}: {size(one.bytes)}, since {iso(one.since)}" for one in found])
    if found:
        tables = counted(len(found), "table is", "tables are")
        typer.echo(f"note: {tables} due, and shut meanwhile; nothing was changed: the same with --yes", err=True)


async def _written(store: Store, wait_s: int) -> list[dict[str, Any]]:
    from catalogue import acts

    done = []
    async for one, waits in store.scrub_whole(wait_s=wait_s):
        done.append(_facts(one) | {"waits": waits})
        if not waits:  # at once: whoever breaks it off has done this table
            async with store.writing() as conn:
                await acts.note(conn, act(acts.EVERYWHERE, "database.scrub", one.name), bytes=one.bytes)
    return done


def _facts(one: Left) -> dict[str, Any]:
    return {"table": one.name, "bytes": one.bytes, "since": iso(one.since), "large": one.is_large}


def _line(one: dict[str, Any]) -> str:
    if one["waits"]:
        return f"{one['table']}: left as it is: {one['waits']}"
    return f"{one['table']}: written anew, {size(one['bytes'])}"
