"""`budget set|remove|list|spent|alerts|policy`: what the institution pays for, and where it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, act, iso, now

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.funding.budgets import Budget
    from catalogue.store import Store

app = Application(no_args_is_help=True)

Category = Annotated[str, typer.Option(help="Only for rewards of this category.")]
Reward = Annotated[str, typer.Option(help="Only for this reward.")]
Month = Annotated[str, typer.Option(help="Another month than this one: 2026-09.")]


@app.command(name="set")
def set_(
    campus: Campus,
    monthly: Annotated[str, typer.Argument(help="What may be spent in a month: '500.00 GBP'.")],
    *,
    category: Category = "",
    reward: Reward = "",
    stop: Annotated[bool, typer.Option(help="Give nothing beyond it, or only tell.")] = True,
    alert: Annotated[
        list[int] | None, typer.Option(help="Per cent at which somebody is told; without it 80 and 100.")
    ] = None,
    centre: Centre,
    answer: Answer,
) -> None:
    """Set a monthly budget for a campus, one of its categories, or one reward; in place of the one that was there.

    What was spent this month counts already. All budgets that cover a reward must reach for it.

    Example: rewards-catalogue budget set uni-example "500.00 GBP" --category food
    """

    async def work(store: Store) -> Budget:
        from catalogue import acts, schema
        from catalogue.errors import CatalogueError
        from catalogue.funding import budgets, policy
        from catalogue.funding.months import month_of
        from catalogue.rewards import money

        scope, name = _scope(category, reward)
        try:
            amount = money.parse(monthly)
        except ValueError as exc:
            raise CatalogueError(str(exc)) from None
        place = {"campus": campus, "scope": scope, "name": name, "code": amount.code}
        said = act(campus, "budget.set", _told(scope, name))
        async with acts.acting(store, said, acts.rows(schema.budget, **place)) as conn:
            await _check_name(conn, campus, scope, name)
            wanted = budgets.Budget(
                scope=scope,
                name=name,
                code=amount.code,
                monthly=amount.minor,
                stop=stop,
                alerts=tuple(alert or (80, 100)),
                spent=0,
            )
            month = month_of(now(), (await policy.of_campus(conn, campus)).timezone)
            return await budgets.put(conn, campus, wanted, month=month, now=now())

    kept = centre.do(work, campus=campus)
    answer.show(_row(kept), lines=lambda: [_line(_row(kept))])


@app.command()
def remove(
    campus: Campus,
    code: Annotated[str, typer.Argument(help="The budget's currency: GBP.")],
    *,
    category: Category = "",
    reward: Reward = "",
    centre: Centre,
) -> None:
    """Forget a budget; what was spent stays counted.

    Example: rewards-catalogue budget remove uni-example GBP --category food
    """
    scope, name = _scope(category, reward)

    async def work(store: Store) -> None:
        from catalogue import acts, schema
        from catalogue.funding import budgets

        concerned = acts.rows(schema.budget, campus=campus, scope=scope, name=name, code=code)
        async with acts.acting(store, act(campus, "budget.remove", _told(scope, name)), concerned) as conn:
            await budgets.remove(conn, campus, scope, name, code)

    centre.do(work, campus=campus)
    typer.echo(f"the budget of {campus} for {_told(scope, name)} in {code} is gone")


@app.command(name="list")
def list_(campus: Campus, month: Month = "", *, centre: Centre, answer: Answer) -> None:
    """List a campus's budgets: what was spent of each this month, and what is left.

    Example: rewards-catalogue budget list uni-example
    """

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.funding import budgets

        return [_row(one) for one in await budgets.listed(conn, campus, await _month(conn, campus, month))]

    rows = centre.look(look, campus=campus)
    answer.show(rows, lines=lambda: [_line(row) for row in rows] or ["no budgets"])


@app.command()
def spent(campus: Campus, month: Month = "", *, centre: Centre, answer: Answer) -> None:
    """Show what redemptions of a month cost, for the campus, by category and by reward, budget or not.

    Example: rewards-catalogue budget spent uni-example --month 2026-09
    """

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.funding import budgets
        from catalogue.rewards.money import Sum

        found = await budgets.spent(conn, campus, await _month(conn, campus, month))
        return [row | {"spent": str(Sum(row["spent"], row["code"]))} for row in found]

    rows = centre.look(look, campus=campus)
    answer.show(
        rows,
        lines=lambda: (
            [f"{_told(row['scope'], row['name']):40} {row['spent']:>20}" for row in rows] or ["nothing was spent"]
        ),
    )


@app.command()
def alerts(campus: Campus, centre: Centre, answer: Answer) -> None:
    """List which budgets were nearly or wholly spent, and which refused somebody, newest first.

    Example: rewards-catalogue budget alerts uni-example
    """

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.funding import budgets

        return await budgets.alerts(conn, campus)

    rows = centre.look(look, campus=campus)
    answer.show(rows, lines=lambda: [_alert(row) for row in rows] or ["nothing to tell"])


@app.command()
def policy(
    campus: Campus,
    *,
    timezone: Annotated[str, typer.Option(help="Where its months and days are counted: Europe/London.")] = "",
    funded_only: Annotated[
        list[str] | None,
        typer.Option(help="A type of rewards to be had only where a budget pays; '*' is all."),
    ] = None,
    free: Annotated[bool, typer.Option("--free", help="Nothing needs a budget any more.")] = False,
    centre: Centre,
    answer: Answer,
) -> None:
    """Show what a campus says of its money, or change it.

    Example: rewards-catalogue budget policy uni-example --timezone Europe/London
    """

    async def work(store: Store) -> dict[str, Any]:
        from catalogue import acts, schema, tenants
        from catalogue.funding import policy as policies

        if timezone or funded_only or free:
            concerned = acts.rows(schema.policy, campus=campus)
            async with acts.acting(store, act(campus, "budget.policy", campus), concerned) as conn:
                await tenants.hold_tenant(conn, campus)
                was = await policies.of_campus(conn, campus)
                types = [] if free else funded_only or was.funded_only
                await policies.put(conn, campus, timezone=timezone or was.timezone, funded_only=types)
        async with store.reading() as conn:
            is_ = await policies.of_campus(conn, campus)
        return {"campus": campus, "timezone": is_.timezone, "funded_only": sorted(is_.funded_only)}

    found = centre.do(work, campus=campus)
    only = ", ".join(found["funded_only"]) or "nothing"
    answer.show(
        found,
        lines=lambda: [f"{campus} counts its months in {found['timezone']}; a budget must pay for: {only}"],
    )


def _scope(category: str, reward: str) -> tuple[str, str]:
    from catalogue.errors import CatalogueError

    if category and reward:
        raise CatalogueError("a budget is for a category or for a reward", hint="leave out one of the two")
    return ("category", category) if category else ("reward", reward) if reward else ("campus", "")


async def _check_name(conn: AsyncConnection, campus: str, scope: str, name: str) -> None:
    from catalogue.errors import CatalogueError
    from catalogue.rewards import shelf

    if scope == "reward" and await shelf.meant(conn, campus, name) is None:
        raise CatalogueError(f"there is no reward {name}", hint=f"see: rewards-catalogue reward list {campus}")
    if scope == "category" and ("category", name) not in await shelf.labels(conn, campus):
        raise CatalogueError(f"there is no category {name}", hint=f"see: rewards-catalogue reward labels {campus}")


async def _month(conn: AsyncConnection, campus: str, wanted: str) -> str:
    from catalogue.errors import CatalogueError
    from catalogue.funding import months, policy

    zone = (await policy.of_campus(conn, campus)).timezone
    if not wanted:
        return months.month_of(now(), zone)
    try:
        months.start(wanted, zone)
    except ValueError as exc:
        raise CatalogueError(str(exc)) from None
    return wanted


def _row(one: Budget) -> dict[str, Any]:
    from catalogue.rewards.money import Sum

    return {
        "scope": one.scope,
        "name": one.name,
        "monthly": str(Sum(one.monthly, one.code)),
        "spent": str(Sum(one.spent, one.code)),
        "left": str(Sum(one.left, one.code)),
        "percent": one.spent * 100 // one.monthly if one.monthly else 100,
        "stop": one.stop,
        "alerts": list(one.alerts),
    }


def _line(row: dict[str, Any]) -> str:
    stop = "stops" if row["stop"] else "only tells"
    amounts = f"{row['spent']:>15} of {row['monthly']:>15} ({row['percent']} %)"
    return f"{_told(row['scope'], row['name']):34} {amounts}  {stop}"


def _alert(row: dict[str, Any]) -> str:
    from catalogue.rewards.money import Sum

    what = "refused somebody" if row["what"] == "stop" else f"reached {row['what']} %"
    amounts = f"{Sum(row['spent'], row['code'])} of {Sum(row['monthly'], row['code'])}"
    return f"{iso(row['at'])}  {row['month']}  {_told(row['scope'], row['name'])}: {what}, {amounts}"


def _told(scope: str, name: str) -> str:
    return f"{scope} {name}" if name else "the campus"
