"""`finance close|show|list|export|all|liability`: what a month came to, and what is owed to learners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, Form, Lines, act, iso, now, operator
from catalogue.cli.funding import everywhere
from catalogue.cli.funding.month import fields, write
from wire.money.amounts import figure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.finance.closing import Month
    from catalogue.store import Store

app = Application(no_args_is_help=True)


@app.command()
def close(
    campus: Campus,
    month: Annotated[str, typer.Argument(help="Which, such as 2026-09; left out: the first that is open.")] = "",
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Close a month for good: what comes in late falls into the open one. Months are closed in order.

    Example: rewards-catalogue finance close uni-example 2026-09
    """

    async def work(store: Store) -> tuple[Month, dict[str, int]]:
        from catalogue import acts, schema, tenants
        from catalogue.finance import closing
        from catalogue.wallets import currencies

        concerned = acts.rows(schema.closed_month, campus=campus)
        async with acts.acting(store, act(campus, "finance.close", month), concerned) as conn:
            await tenants.hold_tenant(conn, campus)
            closed = await closing.close(conn, campus, month, now=now(), by=operator())
            return closed, await currencies.decimals(conn, campus)

    _show(*centre.do(work), answer)


@app.command(name="show")
def show_(
    campus: Campus,
    month: Annotated[str, typer.Argument(help="Which, such as 2026-09; left out: this one, as it stands.")] = "",
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Show what a month came to: opening + issued - spent - expired - reversed = closing, by currency.

    Example: rewards-catalogue finance show uni-example 2026-09
    """

    async def look(conn: AsyncConnection) -> tuple[Month, dict[str, int]]:
        from catalogue.finance import closing
        from catalogue.funding import months, policy
        from catalogue.wallets import currencies

        this = months.month_of(now(), (await policy.of_campus(conn, campus)).timezone)
        _require_begun(month, this)
        return await closing.shown(conn, campus, month or this), await currencies.decimals(conn, campus)

    _show(*centre.look(look, campus=campus), answer)


@app.command(name="list")
def list_(campus: Campus, centre: Centre, answer: Answer) -> None:
    """List the months that are closed.

    Example: rewards-catalogue finance list uni-example
    """

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.finance import closing

        return [fields(one) async for one in closing.listed(conn, campus)]

    rows = centre.look(look, campus=campus)
    answer.show(
        rows,
        lines=lambda: (
            [f"{row['month']}  closed {iso(row['closed_at'])} by {row['closed_by']}" for row in rows]
            or ["no month is closed"]
        ),
    )


@app.command()
def export(
    campus: Campus,
    month: Annotated[str, typer.Argument(help="Only this one, open or closed.")] = "",
    movements: Annotated[bool, typer.Option("--movements", help="Every movement of the month, one by one.")] = False,
    form: Annotated[Form, typer.Option("--format", help="csv or json lines.")] = Form.csv,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Write months to stdout, a line for each currency; all that are closed, or one. For the accounts department.

    Example: rewards-catalogue finance export uni-example 2026-09 --movements > movements.csv
    """
    plain = answer.as_json or form is Form.json

    async def look(conn: AsyncConnection) -> None:
        from catalogue.errors import CatalogueError
        from catalogue.finance import closing
        from catalogue.funding import months, policy

        _require_begun(month, months.month_of(now(), (await policy.of_campus(conn, campus)).timezone))
        if movements and not month:
            raise CatalogueError("--movements of which month?", hint=f"finance export {campus} 2026-09 --movements")
        if movements:
            await _write_movements(conn, await closing.shown(conn, campus, month), plain=plain)
            return
        found = [await closing.shown(conn, campus, month)] if month else closing.listed(conn, campus)
        rows = [fields(one) for one in found] if isinstance(found, list) else [fields(one) async for one in found]
        write(rows, plain=plain)

    centre.look(look, campus=campus)


app.command(name="all")(everywhere.all_)


@app.command()
def liability(campus: Campus, centre: Centre, answer: Answer) -> None:
    """Show what learners hold now, by the month in which it expires, and what that is worth.

    Example: rewards-catalogue finance liability uni-example
    """

    async def look(conn: AsyncConnection) -> tuple[list[dict[str, Any]], dict[str, int]]:
        from catalogue.finance import liability as owed
        from catalogue.wallets import currencies

        known = await currencies.of_campus(conn, campus)
        found = await owed.report(conn, campus)
        rows = [
            {
                "currency": one.currency,
                "outstanding": one.outstanding,
                "value": _text(owed.value(one.outstanding, known.get(one.currency))),
                "owed_back": one.owed_back,
                "by_month": [
                    {"month": month, "amount": amount, "value": _text(owed.value(amount, known.get(one.currency)))}
                    for month, amount in one.by_month.items()
                ],
            }
            for one in found
        ]
        return rows, await currencies.decimals(conn, campus)

    rows, decimals = centre.look(look, campus=campus)
    answer.show(rows, lines=lambda: [line for row in rows for line in _owed(row, decimals)] or ["nothing is owed"])


def _require_begun(month: str, this: str) -> None:
    """Nothing comes to anything in a month that is to come."""
    from catalogue.errors import CatalogueError
    from catalogue.funding import months

    try:
        months.start(month or this, "UTC")
    except ValueError as exc:
        raise CatalogueError(str(exc)) from None
    if month > this:
        raise CatalogueError(f"{month} has not begun", hint=f"this month is {this}")


def _show(month: Month, decimals: dict[str, int], answer: Answer) -> None:
    row = fields(month)
    answer.show(row, lines=lambda: _lines(row, decimals))


def _lines(row: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    head = f"{row['campus']} {row['month']}: {row['state']}, movements {row['first_no']} to {row['last_no']}"
    return [head, *(told for line in row["lines"] for told in _currency(line, decimals))]


def _currency(line: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    def plain(units: int) -> str:
        return figure(units, line["currency"], decimals)

    def signed(units: int) -> str:
        return figure(units, line["currency"], decimals, signed=True)

    net = line["spent"] - line["refunded"]
    return [
        f"  {line['currency']}",
        f"    opening   {plain(line['opening']):>14}",
        f"    issued    {signed(line['issued']):>14}   ({signed(line['adjusted'])} by hand)",
        f"    spent     {signed(-net):>14}   ({plain(line['refunded'])} of {plain(line['spent'])} refunded)",
        f"    expired   {signed(-line['expired']):>14}",
        f"    reversed  {signed(-line['reversed']):>14}",
        f"    closing   {plain(line['closing']):>14}",
    ]


def _owed(row: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    def told(units: int) -> str:
        return figure(units, row["currency"], decimals)

    worth = f"  {row['value']}" if row["value"] else ""
    back = f"  (learners owe {told(row['owed_back'])} back)" if row["owed_back"] else ""
    lines = [f"{row['currency']:20} {told(row['outstanding']):>14}{worth}{back}"]
    for one in row["by_month"]:
        until = "never expires" if one["month"] == "never" else f"expires in {one['month']}"
        lines.append(f"  {until:18} {told(one['amount']):>14}  {one['value']}".rstrip())
    return lines


async def _write_movements(conn: AsyncConnection, month: Month, *, plain: bool) -> None:
    from catalogue.errors import CatalogueError
    from catalogue.store.rows import MovementRow
    from catalogue.wallets import audit, carried

    begins = await carried.begins(conn, month.campus)
    if month.first_no <= min(begins.no, month.last_no):
        raise CatalogueError(begins.told(month.campus), hint="what the month came to is here: finance show")
    out = Lines(MovementRow._fields, plain=plain)
    async for row in audit.lines(conn, month.campus, month.first_no - 1):
        if row.no > month.last_no:
            return
        out.write(row._asdict())


def _text(value: Any) -> str:
    return "" if value is None else str(value)
