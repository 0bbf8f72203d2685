"""`rewards-agent rewards …`: what somebody can have for their points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from agent.cli.access import carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, note, settings_of
from agent.cli.terms.inforce import amount_said
from agent.cli.terms.who import StudentArgument, learner_of
from machine.commands import Application

app = Application(no_args_is_help=True, help="What somebody can have for their points.")

CohortOption = Annotated[
    list[str] | None,
    typer.Option(
        "--cohort",
        metavar="NAME",
        help="A cohort that the learner is in, where no source can tell; else the LMS is asked.",
    ),
]
CountryOption = Annotated[
    str,
    typer.Option(
        "--country",
        metavar="CC",
        help="Where the learner is, such as GB, where no source can tell; else the LMS is asked.",
    ),
]
COLUMNS = ("reward", "title", "price", "left", "now")


@app.callback()
def group() -> None:
    """Keep `list` a word of its own."""


@app.command("list")
def listed(
    student: StudentArgument,
    cohort: CohortOption = None,
    country: CountryOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List what is on offer to somebody: the price, how many are left, and what stands against it now.

    The catalogue is asked at this moment, under the learner's pseudonym.

    Example: rewards-agent rewards list ann@example.org
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        learner = learner_of(settings, connection, student)
        said = amount_said(settings, connection)
    found = carry_out(config, "rewards.offered", learner=learner, cohorts=cohort or [], country=country)
    if json:
        emit_json(found)
        return
    has = ", ".join(said(wallet["currency"], wallet["balance"]) for wallet in found["wallets"] if _spent(wallet))
    say_what_was_typed(found)
    typer.echo(f"{learner} has {has or 'nothing'} at the catalogue")
    emit([_row(one, said) for one in found["rewards"]], COLUMNS, json=False, empty="nothing is on offer")


def say_what_was_typed(told: Mapping[str, Any]) -> None:
    """What nobody but the person at the counter says of the learner."""
    if typed := told.get("by_hand"):
        note(f"{' and '.join(typed)}: as typed here, because no source can tell")


def _spent(wallet: Mapping[str, Any]) -> bool:
    """Whether it is a currency; badges are accounts too."""
    return not str(wallet["currency"]).startswith("badge:")


def _row(one: Mapping[str, Any], said: Callable[[str, int], str]) -> dict[str, Any]:
    return {
        "reward": one["id"],
        "title": one["title"],
        "price": " or ".join(said(currency, units) for currency, units in one["price"].items()),
        "left": "" if one.get("left") is None else one["left"],
        "now": one["against"] or "can be had",
    }
