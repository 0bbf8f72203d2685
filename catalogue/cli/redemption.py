"""`redeem` and `redemption …`: what points were spent on."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, iso, now, operator
from wire.money.amounts import amount, figure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.redemption.desk import Desk
    from catalogue.redemption.records import Redemption
    from catalogue.store import Store

app = Application(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The redemption, as redeem and redemption list name it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why: it is written down.")]


def redeem(
    campus: Campus,
    learner: Annotated[str, typer.Argument(help="The pseudonym, as wallet show lists it.")],
    reward: Annotated[str, typer.Argument(help="The reward, as reward list names it.")],
    *,
    key: Annotated[
        str, typer.Option(help="Your own name for it: asked again under one key, it is the same redemption.")
    ] = "",
    currency: Annotated[str, typer.Option(help="What to pay with, where there is more than one price.")] = "",
    cohort: Annotated[list[str] | None, typer.Option(help="A cohort of the learner.")] = None,
    country: Annotated[str, typer.Option(help="The learner's country: GB.")] = "",
    centre: Centre,
    answer: Answer,
) -> None:
    """Spend a learner's points on a reward; prints the voucher, or that the partner was asked for one.

    Example: rewards-catalogue redeem uni-example 2mfi7spslsw3rstao7u5yyit tea
    """

    async def work(desk: Desk) -> tuple[dict[str, Any], dict[str, int]]:
        from catalogue.redemption import voucher
        from catalogue.redemption.checks import Wish
        from catalogue.wallets import currencies

        wish = Wish(
            campus=campus,
            learner=learner,
            reward=reward,
            key=key or f"cli-{secrets.token_hex(8)}",
            currency=currency,
            cohorts=frozenset(cohort or ()),
            country=country,
        )
        made = voucher.shown(desk, await desk.redeem(wish, now=now(), by=operator()))
        async with desk.store.reading() as conn:
            return made, await currencies.decimals(conn, campus)

    made, decimals = centre.at_desk(work, campus=campus)
    answer.show(made, lines=lambda: _lines(made, decimals))


@app.command(name="list")
def list_(
    campus: Campus,
    learner: Annotated[str | None, typer.Option(help="Only this pseudonym's.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those that are: reserved, unknown, fulfilled, …")] = None,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """List a campus's redemptions, newest first, without their vouchers.

    Example: rewards-catalogue redemption list uni-example --state unknown
    """

    async def look(conn: AsyncConnection) -> tuple[list[dict[str, Any]], dict[str, int]]:
        from catalogue.errors import CatalogueError
        from catalogue.people import names
        from catalogue.redemption import records, voucher
        from catalogue.redemption.states import State
        from catalogue.wallets import currencies

        if state is not None and state not in set(State):
            raise CatalogueError(f"there is no state {state}", hint=f"states are: {', '.join(State)}")
        only = None if state is None else State(state)
        found = records.listed(conn, campus, learner=learner, state=only)
        rows = await names.told(conn, campus, [voucher.public(one) async for one in found])
        return rows, await currencies.decimals(conn, campus)

    rows, decimals = centre.look(look, campus=campus)
    answer.show(rows, lines=lambda: [_line(row, decimals) for row in rows] or ["no redemptions"])


@app.command(name="show")
def show_(
    campus: Campus,
    redemption: Name,
    qr: Annotated[Path | None, typer.Option(help="Write the voucher as a QR code (SVG) into this file.")] = None,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Show a redemption, its voucher, and every step that it went.

    Example: rewards-catalogue redemption show uni-example r3c1a09b7e2f84d5516aa20c4 --qr voucher.svg
    """

    async def work(desk: Desk) -> tuple[dict[str, Any], dict[str, int]]:
        from catalogue.errors import CatalogueError
        from catalogue.people import names
        from catalogue.redemption import records, voucher
        from catalogue.wallets import currencies

        async with desk.store.reading() as conn:
            one = await records.find(conn, campus, redemption)
            if one is None:
                hint = f"see: rewards-catalogue redemption list {campus}"
                raise CatalogueError(f"campus {campus} has no redemption {redemption}", hint=hint)
            shown = voucher.shown(desk, one) | {"steps": await records.steps(conn, campus, redemption)}
            return (await names.told(conn, campus, [shown]))[0], await currencies.decimals(conn, campus)

    found, decimals = centre.at_desk(work, campus=campus)
    if qr is not None:
        _write_qr(found, qr)
    answer.show(found, lines=lambda: [*_lines(found, decimals), *map(_step, found["steps"])])


@app.command()
def refund(
    campus: Campus,
    redemption: Name,
    reason: Reason,
    used: Annotated[bool, typer.Option("--used", help="Although the voucher was used, or may be.")] = False,
    *,
    centre: Centre,
) -> None:
    """Give the points back although there was a voucher; the voucher is void from now on.

    Example: rewards-catalogue redemption refund uni-example r3c1a09b7e2f84d5516aa20c4 --reason "the shop was closed"
    """

    async def work(desk: Desk) -> Redemption:
        return await desk.refund(campus, redemption, now=now(), by=operator(), why=reason, used=used)

    _told_state(centre.at_desk(work, campus=campus))


@app.command()
def cancel(campus: Campus, redemption: Name, reason: Reason, centre: Centre) -> None:
    """Give a reservation back that waits for its partner and that nothing was sent for.

    Example: rewards-catalogue redemption cancel uni-example r3c1a09b7e2f84d5516aa20c4 --reason "asked for by mistake"
    """

    async def work(desk: Desk) -> Redemption:
        return await desk.cancel(campus, redemption, now=now(), by=operator(), why=reason)

    _told_state(centre.at_desk(work, campus=campus))


@app.command()
def settle(
    campus: Campus,
    redemption: Name,
    outcome: Annotated[str, typer.Argument(help="issued or declined: what the partner says became of it.")],
    reason: Reason,
    code: Annotated[str, typer.Option(help="The code that the partner issued.")] = "",
    *,
    centre: Centre,
) -> None:
    """Say what became of an order that nobody answered (unknown); partner reconcile does it from a statement.

    Example: rewards-catalogue redemption settle uni-example r3c1a09b7e2f84d5516aa20c4 issued --code ABCD-1
    --reason "their statement"
    """

    async def work(desk: Desk) -> Redemption:
        from catalogue.errors import CatalogueError

        if outcome not in {"issued", "declined"}:
            raise CatalogueError(f"{outcome!r} is no outcome", hint="issued or declined")
        return await desk.settle(
            campus, redemption, issued=outcome == "issued", code=code, now=now(), by=operator(), why=reason
        )

    _told_state(centre.at_desk(work, campus=campus))


@app.command()
def use(
    token: Annotated[str, typer.Argument(help="What the learner shows.")],
    look: Annotated[bool, typer.Option("--look", help="Only say what it is good for.")] = False,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Use a one-time token, as a till would; after that it is good for nothing.

    Example: rewards-catalogue redemption use uni-example.pk3v5m --look
    """

    async def work(store: Store) -> dict[str, Any]:
        from catalogue.redemption import tokens, voucher

        act = tokens.look(store, token, now=now()) if look else tokens.use(store, token, now=now(), by=operator())
        return voucher.public(await act)

    found = centre.do(work)
    verb = "is good for" if look else "was used for"
    answer.show(found, lines=lambda: [f"the voucher {verb}: {found['title']} ({found['redemption']})"])


def _line(row: dict[str, Any], decimals: dict[str, int]) -> str:
    paid = f"{figure(row['amount'], row['currency'], decimals):>8} {row['currency']:10}"
    return f"{row['redemption']:26} {row['state']:10} {paid} {iso(row['reserved_at'])}  {row['reward']}{_called(row)}"


def _called(row: dict[str, Any]) -> str:
    """Whose it is, where the campus tells names."""
    return f"  {row['called']}" if "called" in row else ""


def _told_state(one: Redemption) -> None:
    typer.echo(f"redemption {one.redemption} is {one.state}")


def _lines(made: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    paid = amount(made["amount"], made["currency"], decimals)
    lines = [f"{made['redemption']}: {made['title']} for {paid}, {made['state']}{_called(made)}"]
    if made["code"] or made["token"]:
        until = f", until {iso(made['expires_at'])}" if made["expires_at"] else ""
        lines.append(f"  voucher {made['code'] or made['token']}{until}")
    elif made["state"] in {"reserved", "sending", "doubtful", "resending"}:
        lines.append(f"  the partner {made['partner']} is asked for it; see: rewards-catalogue redemption show")
    elif made["state"] == "unknown":
        lines.append(f"  nobody knows whether {made['partner']} made it: its statement will tell (partner reconcile)")
    if made["used_at"]:
        lines.append(f"  used {iso(made['used_at'])}")
    return lines


def _step(step: dict[str, Any]) -> str:
    return f"  {step['no']:>3} {iso(step['at'])} {step['event']:16} {step['state']:10} {step['by']}  {step['why']}"


def _write_qr(found: dict[str, Any], path: Path) -> None:
    from catalogue.errors import CatalogueError
    from wire.money import qr

    text = found["code"] or found["token"]
    if not text:
        raise CatalogueError(f"redemption {found['redemption']} has no voucher to show", hint=f"it is {found['state']}")
    try:
        path.write_bytes(qr.svg(text))
    except OSError as exc:
        raise CatalogueError(f"{path} cannot be written: {exc.strerror}", hint="choose another file") from None
