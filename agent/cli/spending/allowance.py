"""`rewards-agent allowance …`: vouchers that are made beforehand, to be given out when there is no line."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli.access import ByOption, carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_one, note, settings_of, utc
from agent.cli.spending.offers import CohortOption, CountryOption, say_what_was_typed
from agent.cli.spending.redeem import RewardArgument
from agent.cli.terms.inforce import amount_said, whoever
from agent.cli.terms.who import learner_of
from machine.commands import Application

app = Application(no_args_is_help=True, help="Vouchers made beforehand, for when there is no line.")

COLUMNS = ("learner", "reward", "paid", "state", "expires_at", "shown_at", "why", "key")
DREW = ("learner", "reward", "state", "why", "key")


@app.command()
def draw(
    *,
    reward: RewardArgument,
    students: Annotated[list[str], typer.Argument(metavar="STUDENT", help="For whom; somebody twice gets two.")],
    currency: Annotated[str, typer.Option("--currency", metavar="NAME", help="What is paid with.")] = "",
    cohort: CohortOption = None,
    country: CountryOption = "",
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Have vouchers made now and kept here, one for each learner: `redeem` gives them out, line or no line.

    The points are taken now, with every check of a redemption, so nothing that happens offline can spend more. What is
    not given out comes back with `allowance return`; no clock of this machine ends it. Exits with 1 where one was not
    made.

    Example: rewards-agent allowance draw tea ann@example.org ben@example.org
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        learners = [learner_of(settings, connection, student) for student in students]
    asked = {"reward": reward, "currency": currency, "cohorts": cohort or [], "country": country, "by": whoever(by)}
    told = [carry_out(config, "allowance.draw", learner=learner, **asked) for learner in learners]
    emit(told, DREW, json=json)
    if not json:
        say_what_was_typed(told[0])
    if any(one["state"] != "kept" for one in told):
        raise typer.Exit(1)


@app.command("list")
def listed(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List what was made beforehand: kept, shown (the learner has it), returning, settled, or refused.

    Example: rewards-agent allowance list
    """
    from agent.ledger.centre import allowances

    with ledger_of(config) as connection:
        found = allowances.listed(connection)
        said = amount_said(settings_of(config), connection)
    rows = [
        {
            "learner": one.learner or "erased",
            "reward": one.reward,
            "paid": said(one.currency, one.paid) if one.redemption else "",
            "state": f"{one.state}: {one.ended}" if one.ended else one.state,
            "expires_at": utc(one.expires_at) if one.expires_at is not None else "",
            "shown_at": utc(one.shown_at) if one.shown_at is not None else "",
            "shown_by": one.shown_by,
            "why": one.why,
            "redemption": one.redemption,
            "key": one.key,
        }
        for one in found
    ]
    emit(rows, COLUMNS, json=json, empty="nothing was made beforehand")


@app.command("return")
def give_back(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Only this one, by its key in the list.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Give back what is kept and was given to nobody: points, stock and codes return. From now on `redeem` gives none.

    The catalogue hears of it when there is a line: at once, or later by the running agent.

    Example: rewards-agent allowance return
    """
    told = carry_out(config, "allowance.return", key=key)
    emit_one(told, json=json)
    if told["staying"] and not json:
        note(
            f"not given back: {told['staying']} of an epoch before; they count as spent, and redeem gives them to their"
            " learners"
        )
