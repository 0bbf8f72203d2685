"""`issue limit|remove|show`: how much a campus may issue in a day, and how much of it hands gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, act, now
from wire.money.amounts import amount, figure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.funding.issue import Room
    from catalogue.store import Store

app = Application(no_args_is_help=True)

Currency = Annotated[str, typer.Option(help="The currency.")]


@app.command()
def limit(
    campus: Campus,
    per_day: Annotated[int, typer.Argument(help="How much its agents may give in a day, in smallest units.", min=0)],
    currency: Currency = "points",
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Limit what a campus may issue; what goes over is set aside (entry list) until you release it (entry release).

    What it issued today counts already.

    Example: rewards-catalogue issue limit uni-example 50000 --currency points
    """

    async def work(store: Store) -> tuple[Room, dict[str, int]]:
        from catalogue import acts, schema
        from catalogue.funding import issue
        from catalogue.wallets import currencies

        concerned = acts.rows(schema.issue_limit, campus=campus, currency=currency)
        async with acts.acting(store, act(campus, "issue.limit", currency), concerned) as conn:
            room = await issue.put(conn, campus, currency, per_day, now=now())
            return room, await currencies.decimals(conn, campus)

    room, decimals = centre.do(work, campus=campus)
    told, left = amount(per_day, currency, decimals), figure(room.left, currency, decimals)
    answer.show(
        {"campus": campus, "currency": currency, "per_day": per_day, "left": room.left},
        lines=lambda: [f"{campus} may issue {told} a day; {left} are left today"],
    )


@app.command()
def remove(campus: Campus, currency: Currency = "points", *, centre: Centre) -> None:
    """Limit a currency of a campus no longer; what was set aside stays aside until it is released.

    Example: rewards-catalogue issue remove uni-example --currency points
    """

    async def work(store: Store) -> None:
        from catalogue import acts, schema
        from catalogue.funding import issue

        concerned = acts.rows(schema.issue_limit, campus=campus, currency=currency)
        async with acts.acting(store, act(campus, "issue.remove", currency), concerned) as conn:
            await issue.remove(conn, campus, currency)

    centre.do(work, campus=campus)
    typer.echo(f"{campus} may issue as many {currency} as it likes")


@app.command(name="show")
def show_(
    campus: Campus,
    days: Annotated[int, typer.Option(min=1, max=92, help="So many days back.")] = 14,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Show what was issued by day and currency, how much of it hands gave, and the limit.

    Example: rewards-catalogue issue show uni-example --days 14
    """

    async def look(conn: AsyncConnection) -> tuple[list[dict[str, Any]], dict[str, int]]:
        from catalogue.funding import issue
        from catalogue.wallets import currencies

        return await issue.by_day(conn, campus, days=days, now=now()), await currencies.decimals(conn, campus)

    rows, decimals = centre.look(look, campus=campus)
    answer.show(rows, lines=lambda: [_line(row, decimals) for row in rows] or ["nothing was issued"])


def _line(row: dict[str, Any], decimals: dict[str, int]) -> str:
    limited = "" if row["limit"] is None else f"  of {figure(row['limit'], row['currency'], decimals)} a day"
    total = figure(row["awarded"] + row["adjusted"], row["currency"], decimals)
    return f"{row['day']}  {total:>12} {row['currency']:12} {row['by_hand']:>3} % by hand{limited}"
