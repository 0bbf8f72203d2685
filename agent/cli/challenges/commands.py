"""`rewards-agent challenge …`: enrol and withdraw by hand, and how far everybody is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.access import ReasonOption, carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, settings_of
from agent.cli.terms.inforce import ByOption, rules_in_force, span_of, whoever
from agent.cli.terms.who import LearnerOption, learner_of
from agent.errors import InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    from pathlib import Path

    from agent.engine.rulebook import CompiledChallenge, Rulebook

app = Application(no_args_is_help=True, help="Challenges: enrol, withdraw, and how far everybody is.")

ChallengeArgument = Annotated[str, typer.Argument(metavar="CHALLENGE", help="A challenge's id.")]
StudentsArgument = Annotated[
    list[str], typer.Argument(metavar="STUDENT", help="Usernames, idnumbers, e-mails, LMS user ids, or moodle:35.")
]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="As of this day or time, instead of now: 2026-09-01.")
]

_LISTED = ("challenge", "title", "mode", "steps", "order", "deadline", "enrol", "begun", "completed")
_PROGRESS = ("learner", "state", "steps", "completed", "began", "ends")


@app.command("list")
def listed(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the challenges of the rules in force: how many have begun, and how many have completed them.

    Example: rewards-agent challenge list
    """
    from agent.cli.challenges.standing import of_challenge

    settings = settings_of(config)
    rows = []
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        for made in rulebook.challenges:
            stands = of_challenge(connection, made)
            rows.append(
                {
                    "challenge": made.spec.id,
                    "title": made.spec.title,
                    "mode": made.spec.mode,
                    "steps": len(made.spec.step),
                    "order": made.spec.order,
                    "deadline": made.counting.deadline,
                    "enrol": made.spec.enrol if isinstance(made.spec.enrol, str) else "cohorts",
                    "begun": len(stands),
                    "completed": sum(one["completed"] > 0 for one in stands),
                }
            )
    emit(rows, _LISTED, json=json, empty="the rules have no challenge")


@app.command()
def progress(
    *,
    challenge: ChallengeArgument,
    learner: LearnerOption = None,
    state: Annotated[
        str, typer.Option("--state", metavar="STATE", help="Only `completed`, `under way`, `not begun`, `over`, …")
    ] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show how far everybody is who has begun a challenge or is enrolled in it.

    Example: rewards-agent challenge progress onboarding --state "under way"
    """
    from agent.cli.challenges.standing import of_challenge

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        made = _challenge(rulebook, challenge)
        who = learner_of(settings, connection, learner) if learner else ""
        rows = [one for one in of_challenge(connection, made, who) if state in {"", one["state"]}]
    if json:
        emit_json(rows)
        return
    counts = Counter(str(one["state"]) for one in rows)
    shown = [{**one, "steps": " ".join(f"{step['done']}/{step['of']}" for step in one["steps"])} for one in rows]
    emit(shown, _PROGRESS, json=False, empty="nobody has begun it")
    if rows:
        typer.echo(f"{len(rows)} in all: {', '.join(f'{number} {name}' for name, number in counts.most_common())}")


@app.command()
def enrol(
    *,
    challenge: ChallengeArgument,
    students: StudentsArgument,
    at: AtOption = None,
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Enrol students into a challenge; what they do from then on counts. Who did it is recorded.

    Acts before the enrolment do not count; --at enrols as of an earlier time, and what was done since then counts.

    Example: rewards-agent challenge enrol onboarding ann ben --by "B. Desk"
    """
    _carry_out(config, challenge, students, at=at, reason=reason, by=by, withdraw=False, json=json)


@app.command()
def withdraw(
    *,
    challenge: ChallengeArgument,
    students: StudentsArgument,
    at: AtOption = None,
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take students out of a challenge; what they do from then on does not count. What was awarded stands.

    Example: rewards-agent challenge withdraw onboarding ann --reason "left the programme" --by "B. Desk"
    """
    _carry_out(config, challenge, students, at=at, reason=reason, by=by, withdraw=True, json=json)


def _carry_out(
    config: Path | None,
    challenge: str,
    students: list[str],
    *,
    at: str | None,
    reason: str,
    by: str,
    withdraw: bool,
    json: bool,
) -> None:
    from agent.clock import SystemClock

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        _challenge(rulebook, challenge)
        learners = [learner_of(settings, connection, one) for one in dict.fromkeys(students)]
        begin, _ = span_of(at, None, rulebook)
    if begin > SystemClock().now():
        raise InvalidInputError(f"{at} is still to come", hint="leave --at out: from now on")
    results = carry_out(
        config,
        "challenge.enrol",
        challenge=challenge,
        learners=learners,
        by=whoever(by),
        reason=reason,
        at=begin,
        withdraw=withdraw,
    )
    emit(results, ("learner", "told", "postings"), json=json)


def _challenge(rulebook: Rulebook, name: str) -> CompiledChallenge:
    """A challenge by its id.

    Raises:
        InvalidInputError: there is none.
    """
    from agent.config.document import nearest

    known = {made.spec.id: made for made in rulebook.challenges}
    if name not in known:
        likely = nearest(name, tuple(known))
        hint = f"did you mean {likely}?" if likely else f"the rules have: {', '.join(known) or 'none'}"
        raise InvalidInputError(f"there is no challenge {name!r}", hint=hint)
    return known[name]
