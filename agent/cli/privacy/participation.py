"""`rewards-agent learner opt-out` and `opt-in`: whether somebody takes part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.cli.access import ByOption, carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit_one, run_async, settings_of, utc
from agent.cli.terms.inforce import rules_in_force, whoever
from agent.cli.terms.who import StudentArgument, person

if TYPE_CHECKING:
    from pathlib import Path


def opt_out(student: StudentArgument, by: ByOption = "", config: ConfigOption = None, json: JsonOption = False) -> None:
    """Let somebody take no part from now on: what they do is not recorded, earns nothing and is in no ranking.

    Nor do they give or get kudos: the catalogue is told at once.

    What they have stays theirs; whoever wants that gone as well asks for `learner erase`.

    Example: rewards-agent learner opt-out ann@example.org --by "D. Protect"
    """
    learner, accounts = _whom(config, student)
    done = carry_out(config, "learner.opt-out", accounts=accounts, by=whoever(by))
    emit_one({"takes no part": learner, "from": utc(done["from"]), **_catalogue(done)}, json=json)


def opt_in(student: StudentArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Let somebody who took no part earn again from now on. What was meanwhile stays unpaid.

    Kudos are a choice of their own: `kudos choose` says who sees them.

    Example: rewards-agent learner opt-in ann@example.org
    """
    learner, accounts = _whom(config, student)
    done = carry_out(config, "learner.opt-in", accounts=accounts)
    emit_one({"takes part": learner, "from": utc(done["from"])}, json=json)


def _catalogue(done: dict[str, Any]) -> dict[str, Any]:
    """Whether the catalogue was told, where there is one: kudos from and to this learner."""
    return {"catalogue": done["catalogue"]} if "catalogue" in done else {}


def _whom(config: Path | None, student: str) -> tuple[str, list[list[str]]]:
    """The learner meant, and all accounts of theirs."""
    from agent.ledger.privacy import holdings

    settings = settings_of(config)
    with ledger_of(config) as connection:
        file, _ = rules_in_force(settings, connection)
        learner = run_async(person(settings, connection, student, file)).learner
        return learner, [list(account) for account in holdings.accounts_of(connection, learner)]
