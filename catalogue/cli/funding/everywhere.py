"""`finance all`: what a month came to at every campus, and closing it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from catalogue.cli.common import Answer, Centre, Form, act, now, operator
from catalogue.cli.funding.month import fields, write

if TYPE_CHECKING:
    from catalogue.finance.closing import Month
    from catalogue.store import Store

NAMED_MAX = 10


def all_(
    month: Annotated[str, typer.Argument(help="Which, such as 2026-09.")],
    close: Annotated[bool, typer.Option("--close", help="Close it first, and open months before it.")] = False,
    form: Annotated[Form, typer.Option("--format", help="csv or json lines.")] = Form.csv,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Write to stdout what a month came to at every campus, a line for each currency. For the accounts department.

    A campus that cannot close it (it is not over by its own clock, …) is named, the others are closed all the same, and
    the exit code is 1. What is closed already stays as it is.

    Example: rewards-catalogue finance all 2026-09 --close > september.csv
    """

    async def work(store: Store) -> tuple[list[Month], int, dict[str, list[str]]]:
        from catalogue import tenants
        from catalogue.errors import CatalogueError
        from catalogue.finance import closing

        async with store.reading() as conn:
            campuses = [one["campus"] for one in await tenants.tenants(conn)]
            closing.ends(month, "UTC")
        found: list[Month] = []
        told: dict[str, list[str]] = {}
        for campus in campuses:
            try:
                if close:
                    await _close(store, campus, month)
            except CatalogueError as error:
                told.setdefault(error.message, []).append(campus)
            async with store.reading() as conn:
                one = await closing.known(conn, campus, month)
            found += [one] if one is not None else []
        return found, len(campuses), told

    found, campuses, told = centre.do(work)
    write([fields(one) for one in found], plain=answer.as_json or form is Form.json)
    for sentence, where in told.items():
        more = f" and {len(where) - NAMED_MAX} more" if len(where) > NAMED_MAX else ""
        typer.echo(f"not closed, {sentence}: {', '.join(where[:NAMED_MAX])}{more}", err=True)
    shut = sum(one.closed_at is not None for one in found)
    without = f", nothing was posted by then at {campuses - len(found)}" if campuses > len(found) else ""
    typer.echo(f"{month}: closed at {shut}, open at {len(found) - shut} of {campuses} campuses{without}", err=True)
    if told:
        raise typer.Exit(1)


async def _close(store: Store, campus: str, month: str) -> None:
    """Close every month of a campus that is open up to this one, each in a transaction of its own."""
    from catalogue import acts, schema, tenants
    from catalogue.finance import closing

    while True:
        async with store.reading() as conn:
            first = await closing.first_open(conn, campus)
        if first is None or first > month:
            return
        concerned = acts.rows(schema.closed_month, campus=campus)
        async with acts.acting(store, act(campus, "finance.close", first), concerned) as conn:
            await tenants.hold_tenant(conn, campus)
            await closing.close(conn, campus, first, now=now(), by=operator())
