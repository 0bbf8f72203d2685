"""`wallet show|history|rebuild`, `ledger export|movements`: what the books say."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, Form, Lines, act, days, iso, note_archived
from machine.words import counted
from wire.money.amounts import figure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.store import Store

wallet = Application(no_args_is_help=True)
ledger = Application(no_args_is_help=True)


class Format(StrEnum):
    """How an export is written: for spreadsheets, line by line as JSON, or the very bytes that were hashed."""

    csv = "csv"
    json = "json"
    raw = "raw"


@wallet.command(name="show")
def show_wallets(
    campus: Campus,
    learner: Annotated[str | None, typer.Argument(help="Only this pseudonym, with the lots of each wallet.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only this currency.")] = None,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Show balances, by learner and currency; of one learner also which part of it expires when.

    Example: rewards-catalogue wallet show uni-example 2mfi7spslsw3rstao7u5yyit
    """

    async def look(conn: AsyncConnection) -> tuple[list[dict[str, Any]], dict[str, int]]:
        from catalogue import books
        from catalogue.people import names
        from catalogue.wallets import currencies

        rows = [row async for row in books.wallets(conn, campus, learner=learner, currency=currency)]
        if learner is not None:
            rows = [row | await books.lots(conn, campus, learner, row["currency"]) for row in rows]
            purse = {row["currency"]: row["balance"] for row in await books.purse(conn, campus, learner)}
            rows = [row | {"purse": purse[row["currency"]]} for row in rows]
        return await names.told(conn, campus, rows), await currencies.decimals(conn, campus)

    rows, decimals = centre.look(look, campus=campus)
    answer.show(rows, lines=lambda: [line for row in rows for line in _wallet(row, decimals)] or ["no wallets"])


def _wallet(row: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    def told(units: int) -> str:
        return f"{figure(units, row['currency'], decimals):>12}"

    called = f"  {row['called']}" if "called" in row else ""
    lines = [f"{row['learner']:40} {told(row['balance'])} {row['currency']}{called}"]
    if row.get("owed"):
        lines.append(f"{'':40} {told(row['owed'])} owed: the next awards repay")
    if row.get("purse", row["balance"]) != row["balance"]:
        lines.append(f"{'':40} {told(row['purse'])} in all wallets of this person: see wallet links")
    held = row.get("lots", ())
    return lines + [f"{'':40} {told(lot['left'])} of {lot['ref']}, {_until(lot['expires_at'])}" for lot in held]


def _until(expires_at: int | None) -> str:
    return "never expires" if expires_at is None else f"expires {iso(expires_at)}"


@wallet.command()
def history(
    campus: Campus,
    learner: Annotated[str, typer.Argument(help="The pseudonym, as wallet show lists it.")],
    currency: Annotated[str, typer.Option(help="The currency.")] = "points",
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Show every movement of one wallet in order, and the balance after each.

    Example: rewards-catalogue wallet history uni-example 2mfi7spslsw3rstao7u5yyit --currency points
    """

    async def look(conn: AsyncConnection) -> tuple[list[dict[str, Any]], dict[str, int]]:
        from catalogue import books
        from catalogue.wallets import currencies

        await note_archived(conn, campus)
        return await books.history(conn, campus, learner, currency), await currencies.decimals(conn, campus)

    rows, decimals = centre.look(look, campus=campus)
    answer.show(rows, lines=lambda: [_movement(row, decimals) for row in rows] or ["no movements"])


def _movement(row: dict[str, Any], decimals: dict[str, int]) -> str:
    moved = figure(row["amount"], row["currency"], decimals, signed=True)
    after = figure(row["balance"], row["currency"], decimals)
    return f"{iso(row['posted_at'])}  {row['kind']:10} {moved:>10} {after:>10}  {row['ref']}"


@wallet.command()
def rebuild(campus: Campus, centre: Centre, answer: Answer) -> None:
    """Work out every wallet of a campus again from the ledger; says how many were something else.

    May be run while batches come in: only wallets that are wrong are held.

    Example: rewards-catalogue wallet rebuild uni-example
    """

    async def work(store: Store) -> int:
        from catalogue import acts
        from catalogue.wallets import audit

        async with store.reading() as conn:
            found = await audit.astray(conn, campus)
        async with store.writing() as conn:
            changed = await audit.rebuild(store, conn, campus, found)
            if changed:
                await acts.note(conn, act(campus, "wallet.rebuild"), changed=changed)
            return changed

    changed = centre.do(work, campus=campus)
    answer.show(
        {"campus": campus, "changed": changed},
        lines=lambda: [
            counted(changed, f"wallet of {campus} was", f"wallets of {campus} were") + " something else"
            if changed
            else "all were right"
        ],
    )


@ledger.command()
def export(
    campus: Campus,
    agent: Annotated[str | None, typer.Option(help="Only this agent.")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="csv, json lines, or raw: the bytes that were hashed.")
    ] = Format.csv,
    *,
    learner: Annotated[str | None, typer.Option(metavar="PSEUDONYM", help="Only this pseudonym's.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only of this rule; manual for adjustments.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only of this currency.")] = None,
    since: Annotated[str, typer.Option("--from", help="The first day of acts (UTC): 2026-09-01.")] = "",
    until: Annotated[str, typer.Option(help="The last day of acts (UTC), included.")] = "",
    centre: Centre,
    answer: Answer,
) -> None:
    """Write every entry that came in, in order, to stdout; all of them, or what is asked for.

    Example: rewards-catalogue ledger export uni-example > entries.csv

    Example: rewards-catalogue ledger export uni-example --rule quiz-80 --from 2026-09-01 --until 2026-09-30
    """
    form = Format.json if answer.as_json else form
    same = {"learner": learner, "rule_id": rule, "currency": currency}
    wanted = {name: one for name, one in same.items() if one is not None}
    begin, end = days(since, until)

    async def look(conn: AsyncConnection) -> None:
        from catalogue import books

        out = None if form is Format.raw else Lines(books.COLUMNS, plain=form is Format.json)
        await note_archived(conn, campus)
        async for row in books.entries(conn, campus, agent):
            said = books.as_columns(row)
            if any(said[name] != one for name, one in wanted.items()) or not _within(said["occurred_at"], begin, end):
                continue
            if out is None:
                sys.stdout.buffer.write(bytes(row.body) + b"\n")
            else:
                out.write(said)
        sys.stdout.flush()

    centre.look(look, campus=campus)


def _within(at: int | str, begin: int | None, end: int | None) -> bool:
    """Whether a time lies in the days that are asked for; that of an entry which cannot be read lies in none."""
    if begin is None and end is None:
        return True
    return isinstance(at, int) and (begin is None or begin <= at) and (end is None or at < end)


@ledger.command()
def movements(
    campus: Campus,
    after: Annotated[int, typer.Option(help="Only those after this number.", min=0)] = 0,
    form: Annotated[Form, typer.Option("--format", help="csv or json lines.")] = Form.csv,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Write the central ledger to stdout: what agents booked and what the centre did, in the order of posting.

    Example: rewards-catalogue ledger movements uni-example --after 20117 > movements.csv
    """

    async def look(conn: AsyncConnection) -> None:
        from catalogue.store.rows import MovementRow
        from catalogue.wallets import audit

        out = Lines(MovementRow._fields, plain=answer.as_json or form is Form.json)
        await note_archived(conn, campus)
        async for row in audit.lines(conn, campus, after):
            out.write(row._asdict())

    centre.look(look, campus=campus)
