"""`rewards-agent learner …`: what somebody has, and why somebody earned what they did on a day, or nothing."""

from __future__ import annotations

import sqlite3
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.badges.shelf import lines, shelf
from agent.cli.books.ranking import ranking
from agent.cli.frame import (
    LIMIT_MAX,
    ConfigOption,
    JsonOption,
    emit,
    emit_json,
    note,
    run_async,
    settings_of,
    tell,
    utc,
)
from agent.cli.helpdesk import beside, lots, merging
from agent.cli.privacy.erase import erase, readmit
from agent.cli.privacy.export import export
from agent.cli.privacy.participation import opt_in, opt_out
from agent.cli.terms.inforce import amount_text, called, day_of, local, rules_in_force, zone_of
from agent.cli.terms.who import StudentArgument, aliases_in, held_links, person
from agent.errors import InvalidInputError
from machine.commands import Application
from machine.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.cli.helpdesk.absence import Absence
    from agent.cli.helpdesk.why import Answer, RuleAnswer
    from agent.engine.rulebook import Rulebook
    from agent.ledger.merging.tags import HeldLink

app = Application(no_args_is_help=True, help="What somebody has, and why.")

app.command()(merging.merge)
app.command()(merging.unlink)
app.command()(merging.merges)
app.command()(export)
app.command()(erase)
app.command()(readmit)
app.command("opt-out")(opt_out)
app.command("opt-in")(opt_in)
app.command()(ranking)

_RECENT = ("seq", "occurred_at", "rule_id", "amount", "currency", "kind", "reason")
_HELD = ("decision", "occurred_at", "rule_id", "reason")
_BADGE = "badge:"
_OTHERS_MAX = 10
"""Acts of one rule and day that are shown beside the nearest."""


@app.command()
def show(
    student: StudentArgument,
    limit: Annotated[int, typer.Option("--limit", min=0, max=LIMIT_MAX, help="So many recent entries at most.")] = 10,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what somebody has: balances, levels, badges, challenges, the newest entries, and what is held.

    Balances are what was earned less what was taken back, spent and expired, with the lots that are left and when each
    expires. Where a catalogue keeps the wallets they are as of when it was last heard, with what the same person has at
    other agents of the campus.

    Example: rewards-agent learner show ann@example.org
    """
    from agent.cli.helpdesk.absence import Absences

    settings = settings_of(config)
    with ledger_of(config) as connection:
        file, rulebook = rules_in_force(settings, connection)
        who = run_async(person(settings, connection, student, file))
        merged = aliases_in(connection).of_learner(who.learner)
        waiting = held_links(connection, who.learner)
        found = {**who.facts(), **_standing(connection, who.learner, rulebook, limit)}
        found["elsewhere"] = beside.facts(connection, who.learner, found["balances"])
        absence = Absences(connection).now(who.learner)
        found["takes_part"] = absence is None
        found["absent"] = absence.why if absence is not None else ""
    found["merged_from"] = list(merged)
    found["links_held"] = [{"of": one.learner, "to": list(one.others), "why": one.reason} for one in waiting]
    found["recognition"] = recognised = shelf(settings, rulebook, who.learner, found["badges"])
    if json:
        emit_json(found)
        return
    typer.echo(who.title() + (f", outside the campus {found['pseudonym']}" if found["pseudonym"] else ""))
    _accounts(merged, waiting, absence)
    now = _now()
    if found["as_of"] and found["balances"]:
        waiting_there = counted(found["undelivered"], "entry is on its way", "entries are on their way")
        on_the_way = f", and {waiting_there}" if found["undelivered"] else ""
        typer.echo(f"  as the catalogue had it at {found['as_of']}{on_the_way}")
    for one in found["balances"]:
        amount, lifetime = (amount_text(one["currency"], one[key], rulebook) for key in ("balance", "lifetime"))
        level = f", level {one['level']}" if one["level"] else ""
        of = called(one["currency"], one["balance"], rulebook)
        typer.echo(f"  {amount} {of} ({lifetime} earned in all{level})")
        for line in lots.lines(one, rulebook, now):
            typer.echo(f"    {line}")
    for line in (*beside.lines(found["elsewhere"], rulebook), *lines(recognised)):
        typer.echo(f"  {line}")
    if not found["balances"] and not found["badges"] and found["absent"] != "erased":
        typer.echo("  nothing yet")
    for one in found["challenges"]:
        typer.echo(f"  {one['told']}")
    recent = [{**row, "amount": amount_text(row["currency"], row["amount"], rulebook)} for row in found["entries"]]
    if recent:
        emit(recent, _RECENT, json=False)
    if found["held"]:
        typer.echo(f"{len(found['held'])} held:")
        emit(found["held"], _HELD, json=False)


def _accounts(merged: Sequence[str], waiting: Sequence[HeldLink], absence: Absence | None) -> None:
    if absence is not None:
        typer.echo(f"  {absence.told}")
    if merged:
        typer.echo(f"  merged from {', '.join(merged)}")
    for one in waiting:
        typer.echo(f"  {one.told}")


def _now() -> int:
    from agent.clock import SystemClock

    return SystemClock().now()


def _standing(connection: sqlite3.Connection, learner: str, rulebook: Rulebook, limit: int) -> dict[str, Any]:
    from agent.cli.challenges.standing import of_learner
    from agent.cli.terms.rows import row_of
    from agent.ledger import reading

    balances = reading.balances_of(connection, learner)
    entries = reading.chosen(connection, reading.Choice(learner=learner), limit=limit)
    return {
        "pseudonym": reading.pseudonym_of(connection, learner),
        **_heard(connection, learner),
        "balances": [
            {
                "currency": currency,
                "amount": amount,
                "lifetime": lifetime,
                "level": _level(currency, lifetime, rulebook),
                **lots.facts(connection, learner, currency),
            }
            for currency, (amount, lifetime) in balances.items()
            if not currency.startswith(_BADGE)
        ],
        "badges": [
            currency.removeprefix(_BADGE)
            for currency, (amount, _) in balances.items()
            if currency.startswith(_BADGE) and amount > 0
        ],
        "challenges": of_learner(connection, rulebook, learner),
        "entries": [row_of(entry) for entry in entries],
        "held": [
            {
                "decision": row.decision_no,
                "occurred_at": utc(row.occurred_at),
                "rule_id": row.decision.rule_id,
                "reason": row.decision.reason,
            }
            for row in reading.holds(connection, learner=learner)
        ],
    }


def _heard(connection: sqlite3.Connection, learner: str) -> dict[str, Any]:
    """When the catalogue was last heard, and how many of somebody's entries it did not have then."""
    from agent.ledger.centre import mirror

    heard = mirror.told(connection)
    if not heard["as_of"]:
        return {"as_of": None, "undelivered": 0}
    return {"as_of": utc(heard["as_of"]), "undelivered": mirror.undelivered(connection, learner)}


def _level(currency: str, lifetime: int, rulebook: Rulebook) -> str:
    """The highest level that a lifetime total, in smallest units, has reached."""
    unit = 10 ** rulebook.decimals.get(currency, 0)
    reached = [level for level in rulebook.levels if level.currency == currency and level.from_ * unit <= lifetime]
    return max(reached, key=lambda level: level.from_).name if reached else ""


@app.command()
def why(
    *,
    student: StudentArgument,
    on: Annotated[
        str | None, typer.Option("--on", metavar="DATE", help="The day by the rules' calendar: 2026-09-07, yesterday.")
    ] = None,
    course: Annotated[
        str | None, typer.Option("--course", metavar="C", help="Only this course: its id or short name.")
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", metavar="RULE", help="Only this rule.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say for each rule why somebody earned on a day, or how near they came.

    What was decided is told first. For the rest Moodle's log is read live and judged as the rules are now: nothing is
    written. Where there was no such act it says so, and where completion tracking is off it says that. Works while the
    agent runs.

    Example: rewards-agent learner why ann@example.org --on 2026-09-07 --course BIO101
    """
    from agent.cli.helpdesk.why import Question, answered
    from agent.clock import SystemClock

    settings = settings_of(config)
    with ledger_of(config) as connection:
        file, rulebook = rules_in_force(settings, connection)
        _known(rule, rulebook)
        who = run_async(person(settings, connection, student, file))
        day = day_of(on, rulebook, SystemClock().now())
        question = Question(who=who, day=day, course=course, rule=rule)
        answer = run_async(answered(settings, connection, file, rulebook, question))
    if json:
        emit_json(_facts(answer, zone_of(file)))
        return
    for remark in answer.remarks:
        note(remark)
    place = f", course {answer.course}" if answer.course else ""
    typer.echo(f"{who.title()} on {day.isoformat()} ({zone_of(file)}){place}")
    for rules in _together(answer.rules):
        _show(rules, rulebook)


def _known(rule: str | None, rulebook: Rulebook) -> None:
    from agent.config.document import nearest

    ids = (*rulebook.by_id(), *(timed.spec.id for timed in rulebook.scheduled))
    if rule is not None and rule not in ids:
        likely = nearest(rule, ids)
        hint = f"did you mean {likely}?" if likely else f"the rules: {', '.join(ids)}"
        raise InvalidInputError(f"there is no rule {rule}", hint=hint)


def _facts(answer: Answer, zone: str) -> dict[str, Any]:
    names = answer.question.who.names()
    return {
        **answer.question.who.facts(),
        "day": answer.question.day.isoformat(),
        "timezone": zone,
        "from": utc(answer.since),
        "until": utc(answer.until),
        "course": answer.course,
        "remarks": list(answer.remarks),
        "rules": [
            {
                "rule": one.rule,
                "title": one.title,
                "outcome": one.outcome,
                "recorded": one.nearest.recorded if one.nearest else False,
                "sentence": one.sentence,
                "nearest": one.nearest.facts(names) if one.nearest else None,
                "others": [other.facts(names) for other in one.others],
            }
            for one in answer.rules
        ],
    }


def _together(answers: Iterable[RuleAnswer]) -> Iterator[list[RuleAnswer]]:
    """Each answer, and those one after another that no act stands behind and that say the same together."""
    for alike, same in groupby(answers, key=lambda one: (one.nearest is None, one.outcome, one.sentence)):
        if alike[0]:
            yield list(same)
        else:
            yield from ([one] for one in same)


def _show(rules: Sequence[RuleAnswer], rulebook: Rulebook) -> None:
    one = rules[0]
    tell(f"{', '.join(each.rule for each in rules)}: {one.outcome}")
    if one.nearest is None:
        tell(f"  {one.sentence}")
        return
    for each in (one.nearest, *one.others[:_OTHERS_MAX]):
        since = f" {each.since}" if each.since else ""
        never = f" Never recorded: {each.undecided}." if each.undecided else ""
        tell(f"  {local(each.at, rulebook)} {each.log}: {each.sentence}{since}{never}")
    if len(one.others) > _OTHERS_MAX:
        typer.echo(f"  and {len(one.others) - _OTHERS_MAX} more that day: --json shows all")
