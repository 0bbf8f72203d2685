"""`rewards-agent redemption …`: what became of what learners asked for."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli.access import ByOption, ReasonOption, carry_out, ledger_of
from agent.cli.frame import LIMIT_MAX, ConfigOption, JsonOption, emit, emit_json, emit_one, settings_of, utc
from agent.cli.spending.picture import QrOption, picture
from agent.cli.spending.redeem import drawn, tell
from agent.cli.terms.inforce import amount_said, whoever
from agent.cli.terms.who import LearnerOption, learner_of
from machine.commands import Application

app = Application(no_args_is_help=True, help="What learners asked for, and what became of it.")

COLUMNS = ("asked_at", "learner", "reward", "state", "paid", "shown_at", "key")
NameArgument = Annotated[str, typer.Argument(metavar="KEY", help="The wish's key, or the redemption's name.")]


@app.command("list")
def listed(
    learner: LearnerOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=LIMIT_MAX, help="So many at most.")] = 50,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the newest wishes: asked (nobody knows yet), granted, refused, or void (it never arrived).

    Example: rewards-agent redemption list --learner ann@example.org
    """
    from agent.ledger.centre import wishes

    settings = settings_of(config)
    with ledger_of(config) as connection:
        whose = "" if learner is None else learner_of(settings, connection, learner)
        found = wishes.listed(connection, learner=whose, limit=limit)
        said = amount_said(settings, connection)
    rows = [
        {
            "asked_at": utc(one.asked_at),
            "learner": one.learner or "erased",
            "reward": one.reward,
            "state": one.state,
            "paid": said(one.paid_currency, one.paid) if one.state == "granted" else "",
            "shown_at": utc(one.shown_at) if one.shown_at is not None else "",
            "key": one.key,
            "redemption": one.redemption,
            "why": one.why,
            "asked_by": one.asked_by,
            "shown_by": one.shown_by,
        }
        for one in found
    ]
    emit(rows, COLUMNS, json=json, empty="nobody asked for anything yet")


@app.command()
def show(
    name: NameArgument,
    again: Annotated[
        bool, typer.Option("--again", help="Also where it was shown before; who did it is recorded.")
    ] = False,
    qr: QrOption = None,
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show a redemption and its voucher, which the catalogue keeps: nothing of it stays on campus.

    Example: rewards-agent redemption show 5f2c9a7d11e04b7aa8c3d002
    """
    with ledger_of(config) as connection:
        said = amount_said(settings_of(config), connection)
    with picture(qr) as draw:
        told = carry_out(config, "redemption.show", name=name, by=whoever(by), again=again)
        if json:
            emit_json(told)
        else:
            tell(told, said)
        drawn(told, draw, qr)


@app.command()
def cancel(
    name: NameArgument, reason: ReasonOption, by: ByOption = "", config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Give back what no partner was asked for yet: the points return to the lots that they came from.

    Example: rewards-agent redemption cancel 5f2c9a7d11e04b7aa8c3d002 --reason "changed her mind"
    """
    told = carry_out(config, "redemption.cancel", name=name, by=whoever(by), reason=reason)
    emit_one({"redemption": told["redemption"], "stands": told["stands"]}, json=json)


@app.command()
def use(
    voucher: Annotated[str, typer.Argument(metavar="VOUCHER", help="What the learner shows; - reads it from stdin.")],
    look: Annotated[bool, typer.Option("--look", help="Only say what it is good for.")] = False,
    key: Annotated[
        str, typer.Option("--key", metavar="KEY", help="The same use again, whose answer did not come.")
    ] = "",
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Use a voucher of this campus that a learner shows: from then on it is good for nothing.

    The catalogue is asked, signed by this agent, and writes down who did it. `-` keeps the voucher out of the history
    of the shell.

    Example: rewards-agent redemption use uni-example.pk3v5m --by "Campus café"
    """
    shown = typer.get_text_stream("stdin").readline().strip() if voucher == "-" else voucher.strip()
    told = carry_out(config, "redemption.use", token=shown, by=whoever(by), look=look, key=key)
    if json:
        emit_json(told)
    else:
        until = f", until {utc(told['expires_at'])}" if look and told["expires_at"] is not None else ""
        typer.echo(
            f"the voucher {'is good' if look else 'was used'} for: {told['title']} ({told['redemption']}){until}"
        )


@app.command()
def settle(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Ask now what became of wishes that nobody knows the end of; a running agent does it by itself.

    Asking spends nothing: what arrived is granted, what cannot arrive any more is void.

    Example: rewards-agent redemption settle
    """
    emit_one({"settled": carry_out(config, "redemption.settle")}, json=json)
