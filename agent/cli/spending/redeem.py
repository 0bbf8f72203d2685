"""`rewards-agent redeem`: points become a voucher, once, whatever the network does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.access import ByOption, carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit_json, note, settings_of, utc
from agent.cli.spending.offers import CohortOption, CountryOption, say_what_was_typed
from agent.cli.spending.picture import QrOption, picture
from agent.cli.terms.inforce import amount_said, whoever
from agent.cli.terms.who import StudentArgument, learner_of
from machine.commands import Application

app = Application()

RewardArgument = Annotated[str, typer.Argument(metavar="REWARD", help="As `rewards list` calls it.")]


@app.command()
def redeem(
    *,
    student: StudentArgument,
    reward: RewardArgument,
    currency: Annotated[
        str, typer.Option("--currency", metavar="NAME", help="What to pay with, where there are several prices.")
    ] = "",
    cohort: CohortOption = None,
    country: CountryOption = "",
    key: Annotated[
        str, typer.Option("--key", metavar="KEY", help="Ask again for the wish of this key, whose end nobody knows.")
    ] = "",
    qr: QrOption = None,
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Spend somebody's points on a reward and show the voucher, once.

    What is on its way is delivered first. The wish has a key of its own: where no answer comes it is asked again under
    that key, and where nobody knows what became of it, it says so, and how to ask for that very wish again. Whatever
    happens, one wish is paid once. The catalogue learns a pseudonym.

    Exits with 0 where it was granted, 1 where it was refused or nobody knows.

    Example: rewards-agent redeem ann@example.org tea --qr tea.svg
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        learner = learner_of(settings, connection, student)
        said = amount_said(settings, connection)
    with picture(qr) as draw:
        told = carry_out(
            config,
            "redeem",
            learner=learner,
            reward=reward,
            currency=currency,
            cohorts=cohort or [],
            country=country,
            key=key,
            by=whoever(by),
        )
        if json:
            emit_json(told)
        else:
            tell(told, said)
        drawn(told, draw, qr)
    if told["state"] != "granted":
        raise typer.Exit(1)


def drawn(told: Mapping[str, Any], draw: Callable[[str], bool], qr: Path | None) -> None:
    """Draw the voucher, after it was told: a full disk takes it from nobody."""
    voucher = (told.get("code") or told.get("token") or "") if told["state"] == "granted" else ""
    if qr is None:
        return
    if not voucher:
        note(f"there is nothing to draw yet: {qr} was not written")
        return
    try:
        draw(voucher)
    except OSError as exc:
        note(f"{qr} cannot be written ({exc.strerror}): rewards-agent redemption show {told['key']} --again --qr FILE")


def tell(told: Mapping[str, Any], said: Callable[[str, int], str]) -> None:
    """What became of a wish, for the person at the counter."""
    say_what_was_typed(told)
    if told["state"] == "granted":
        typer.echo(f"{told['title']} for {said(told['currency'], told['amount'])}: {told['stands']}")
        voucher = told["code"] or told["token"]
        if voucher:
            until = f", until {utc(told['expires_at'])}" if told["expires_at"] else ""
            typer.echo(f"voucher {voucher}{until}")
            note("it is shown once; to see it again: rewards-agent redemption show KEY --again")
        else:
            note(f"there is no voucher yet: rewards-agent redemption show {told['key']}")
        return
    if told["state"] == "refused":
        typer.echo(f"refused: {told['why']}")
        return
    typer.echo(f"nobody knows yet: {told['why']}")
    note(f"ask for the same wish again: --key {told['key']}; it is paid once")
    note("left alone it is settled in a minute or two: rewards-agent redemption list")
