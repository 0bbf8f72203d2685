"""`tenant add|import|token|list|suspend|resume|close`: campuses."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli import campuses
from catalogue.cli.common import Answer, Application, Centre, Environment, Hours, act, iso, nothing_left, now
from machine.words import counted
from wire.money.amounts import amount

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.store import Store

app = Application(no_args_is_help=True)

Campus = Annotated[str, typer.Argument(help="The campus, as its agent's config.toml names it.")]


class State(StrEnum):
    """What a campus can be."""

    active = "active"
    suspended = "suspended"
    closed = "closed"


@app.command()
def add(
    campus: Campus,
    title: Annotated[str, typer.Option(help="A name for people.")] = "",
    environment: Annotated[
        Environment, typer.Option(help="As its agent's config.toml says: their wallets never mix.")
    ] = Environment.production,
    hours: Hours = 72,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Make a campus known and print the one-time token its agent enrols with.

    Example: rewards-catalogue tenant add uni-example --title "Example University"
    """
    from catalogue import acts, schema, tenants

    async def work(store: Store) -> None:
        concerned = acts.rows(schema.tenant, campus=campus)
        async with acts.acting(store, act(campus, "tenant.add", campus), concerned) as conn:
            await tenants.add_tenant(conn, campus, title=title or campus, environment=str(environment), now=now())

    centre.do(work)
    _print_token(centre, answer, campus, hours)


app.command(name="import")(campuses.import_)


@app.command()
def token(
    campus: Campus,
    agent: Annotated[str | None, typer.Option(help="For this agent, which lost its key; else for a new one.")] = None,
    hours: Hours = 72,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Print another one-time token for a known campus.

    Example: rewards-catalogue tenant token uni-example --agent agent-1
    """
    _print_token(centre, answer, campus, hours, agent=agent)


@app.command(name="list")
def list_(
    part: Annotated[str, typer.Argument(help="Only those that have this in their name or title.")] = "",
    state: Annotated[State | None, typer.Option("--state", help="Only those that are.")] = None,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """List every campus, by name.

    Example: rewards-catalogue tenant list --state suspended
    """
    from catalogue import tenants

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        return await tenants.tenants(conn)

    wanted = part.casefold()
    rows = [
        row
        for row in centre.look(look)
        if state in {None, row["state"]} and wanted in f"{row['campus']}\n{row['title']}".casefold()
    ]
    answer.show(
        rows,
        lines=lambda: [
            f"{row['campus']:30} {row['state']:10} {row['environment']:12} {counted(row['agents'], 'agent'):>10}"
            f"  since {iso(row['created_at'])}  {row['title']}"
            for row in rows
        ],
    )


@app.command()
def suspend(campus: Campus, centre: Centre) -> None:
    """Take nothing from a campus until it is resumed; its agents keep what they have and try again.

    Example: rewards-catalogue tenant suspend uni-example
    """
    _set_state(centre, campus, "suspended")


@app.command()
def resume(campus: Campus, centre: Centre) -> None:
    """Take batches from a suspended campus again.

    Example: rewards-catalogue tenant resume uni-example
    """
    _set_state(centre, campus, "active")


@app.command()
def close(
    campus: Campus,
    check: Annotated[bool, typer.Option("--check", help="Only say what it leaves behind.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why: it is written down.")] = "",
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """End a campus for good: nobody enrols, delivers, reads by a token or redeems there again.

    Its books stay: exports, verify, refunds and month-end go on, and what a partner was asked for still comes. What its
    agents told its learners are called goes.

    Example: rewards-catalogue tenant close uni-example --check
    """

    async def work(store: Store) -> tuple[dict[str, Any], dict[str, int]]:
        found = await _left(store, campus)
        if not check:
            await _put_state(store, campus, "closed", why=reason)
        return found

    left, decimals = centre.do(work, campus=campus)
    state = "would be closed" if check else "is closed"
    answer.show(left | {"campus": campus, "checked": check}, lines=lambda: _farewell(campus, state, left, decimals))


async def _left(store: Store, campus: str) -> tuple[dict[str, Any], dict[str, int]]:
    """What a campus leaves behind: {outstanding: {currency: amount}, under_way, aside, agents}; and the decimals."""
    from catalogue import tenants
    from catalogue.finance import liability
    from catalogue.proof import rejected
    from catalogue.redemption import records
    from catalogue.wallets import currencies

    async with store.reading() as conn:
        owed = {one.currency: one.outstanding for one in await liability.report(conn, campus)}
        found = {
            "outstanding": owed,
            "under_way": await records.under_way(conn, campus),
            "aside": await rejected.count(conn, campus),
            "agents": sum(row["state"] == "active" for row in await tenants.agents(conn, campus)),
        }
        return found, await currencies.decimals(conn, campus)


def _farewell(campus: str, state: str, left: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    outstanding = sorted(left["outstanding"].items())
    owed = ", ".join(amount(units, currency, decimals) for currency, units in outstanding) or "nothing"
    ends = ("redemption waits for a partner: it ends", "redemptions wait for a partner: they end")
    waiting = counted(left["under_way"], *ends)
    return [
        f"{campus} {state}: {counted(left['agents'], 'agent')} would deliver, learners hold {owed}",
        f"  {waiting} as always (redemption list {campus})",
        f"  {counted(left['aside'], 'entry is', 'entries are')} set aside (entry list {campus})",
        f"  its books stay: finance export {campus}, ledger export {campus}, redemption refund {campus} …",
    ]


def _set_state(centre: Centre, campus: str, state: str) -> None:
    centre.do(lambda store: _put_state(store, campus, state), campus=campus)
    typer.echo(f"{campus} is {state}")


_VERBS = {"active": "resume", "suspended": "suspend", "closed": "close"}


async def _put_state(store: Store, campus: str, state: str, *, why: str = "") -> None:
    from catalogue import acts, schema, tenants
    from catalogue.people import names

    concerned = acts.rows(schema.tenant, campus=campus)
    async with acts.acting(store, act(campus, f"tenant.{_VERBS[state]}", campus, why=why), concerned) as conn:
        await tenants.set_tenant_state(conn, campus, state)
        if state == tenants.CLOSED:
            await names.drop(conn, campus, now=now())  # nobody could withdraw or erase them any more
    if state == tenants.CLOSED:
        await nothing_left(store)


def _print_token(centre: Centre, answer: Answer, campus: str, hours: int, *, agent: str | None = None) -> None:
    from catalogue import acts, schema, tenants
    from catalogue.server import load_key

    key = load_key(centre.settings)
    expires_at = now() + hours * 3600

    async def work(store: Store) -> str:
        concerned = acts.rows(schema.enrolment, campus=campus)
        async with acts.acting(store, act(campus, "tenant.token", agent or ""), concerned) as conn:
            made = await tenants.new_token(conn, campus, key.fingerprint, expires_at=expires_at, name=agent)
            return made.text()

    text = centre.do(work)
    answer.show(
        {"campus": campus, "token": text, "expires_at": iso(expires_at)},
        lines=lambda: [f"token for {campus}, good once, until {iso(expires_at)}:", text],
    )
