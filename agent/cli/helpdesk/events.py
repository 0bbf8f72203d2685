"""`rewards-agent events …`: what was seen, and in one sentence for each rule what became of it."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from agent.cli.access import ledger_of
from agent.cli.frame import LIMIT_MAX, ConfigOption, JsonOption, emit, emit_json, run_async, settings_of, tell, utc
from agent.cli.helpdesk.told import as_if_told, recorded_told, settled_as
from agent.cli.helpdesk.uncounted import uncounted
from agent.cli.measures.events import export
from agent.cli.mending.replay import replay
from agent.cli.mending.requeue import requeue
from agent.cli.terms.inforce import SinceOption, UntilOption, local, rules_in_force, span_of, zone_of
from agent.cli.terms.who import LearnerOption, learner_of
from agent.config.grammar import shown_number
from agent.errors import InvalidInputError
from machine.commands import Application
from machine.words import on_screen

if TYPE_CHECKING:
    from agent.config.rulefile import RuleFile
    from agent.config.settings import LogSource, Settings
    from agent.engine.rulebook import Rulebook
    from agent.model import Event, Observation

app = Application(no_args_is_help=True, help="What was seen, and what became of it.")

COLUMNS = ("occurred_at", "log", "kind", "people", "trust", "outcomes", "event_id")
_SHORT = 12
"""Digits of an event id that a table shows; enough to ask for it."""

app.command("export")(export)
app.command("replay")(replay)
app.command("requeue")(requeue)


@app.command("list")
def listed(
    *,
    learner: LearnerOption = None,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="Of one kind: quiz.submitted, forum.*")] = "",
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=LIMIT_MAX, help="So many at most.")] = 50,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List what was seen and decided, newest first, with how each rule answered.

    Example: rewards-agent events list --learner ann@example.org --kind "quiz.*"
    """
    from agent.ledger import reading

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        begin, end = span_of(since, until, rulebook)
        who = learner_of(settings, connection, learner) if learner else ""
        found = reading.events(connection, learner=who, kind=kind, since=begin, until=end, newest=limit)
        rows = [_row(event, _outcomes(connection, number)) for number, event in found]
    if not json:
        for row in rows:
            row["event_id"] = row["event_id"][:_SHORT]
    emit(rows, COLUMNS, json=json, empty="no such events")


@app.command()
def tail(
    *,
    learner: LearnerOption = None,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="Of one kind: quiz.submitted, forum.*")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=1_000, help="So many of before, first.")] = 10,
    follow: Annotated[bool, typer.Option(help="Go on with what is recorded from now on, until Ctrl-C.")] = True,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Watch what is seen and decided as it is recorded: one line for each event, or one JSON object with --json.

    Reads only, and may run beside the agent; Ctrl-C ends it.

    Example: rewards-agent events tail --kind "quiz.*"
    """
    from agent.cli.helpdesk import following

    settings = settings_of(config)
    with ledger_of(config) as connection, contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        who = learner_of(settings, connection, learner) if learner else ""
        for number, event in following.events(connection, learner=who, kind=kind, lines=lines, follow=follow):
            row = _row(event, _outcomes(connection, number))
            typer.echo(orjson.dumps(row, default=str).decode() if json else on_screen(following.line(row)))
            sys.stdout.flush()


@app.command()
def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="An event id or its beginning, moodle:1234 (a log id), or the bare log id."
        ),
    ],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say in one sentence for each rule why an event earned, was held, or earned nothing.

    Each condition is told as passed, failed or unknown, with what was seen. Where the event was never recorded, the
    log of Moodle is read live: it says why, and what the rules would make of it now. Nothing is written.

    Example: rewards-agent events explain moodle:48213
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        file, rulebook = rules_in_force(settings, connection)
        answers = [*_recorded(connection, rulebook, what)] or [*_aside(connection, what)]
        answers = answers or run_async(_live(settings, connection, file, rulebook, what))
    if json:
        emit_json(answers)
        return
    for answer in answers:
        _show(answer, rulebook, zone_of(file))


def _row(event: Event, outcomes: Mapping[str, str]) -> dict[str, Any]:
    return {**_event_facts(event.seen, event), "outcomes": outcomes}


def _outcomes(connection: sqlite3.Connection, event_no: int) -> dict[str, str]:
    """What each rule answered; of what was held what became of it."""
    from agent.ledger import reading

    decided = reading.decisions_about(connection, event_no)
    return {row.decision.rule_id: settled_as(row) or row.decision.outcome.name for row in decided}


def _event_facts(seen: Observation, event: Event) -> dict[str, Any]:
    return {
        "event_id": event.event_id.hex(),
        "log": f"{seen.source}:{seen.position}",
        "occurred_at": utc(seen.occurred_at),
        "kind": seen.kind or seen.lms_event,
        "lms_event": seen.lms_event,
        "people": {role: f"{seen.site}:{user}" for role, user in seen.people.items()},
        "course": seen.course,
        "section": seen.section,
        "lesson": seen.lesson,
        "post": seen.post,
        "trust": event.trust.name,
        "facts": {name: _number(value) if isinstance(value, Fraction) else value for name, value in seen.facts.items()},
        "facts_exact": {name: str(value) for name, value in seen.facts.items() if _is_rounded(value)},
    }


def _number(value: Fraction) -> float:
    """A number that JSON has: to five places, as people are told it."""
    return float(shown_number(value))


def _is_rounded(value: object) -> bool:
    return isinstance(value, Fraction) and Fraction(shown_number(value)) != value


def _recorded(connection: sqlite3.Connection, rulebook: Rulebook, what: str) -> Iterator[dict[str, Any]]:
    from agent.ledger import reading

    for number, event in reading.find_events(connection, what):
        told = [recorded_told(connection, row, rulebook) for row in reading.decisions_about(connection, number)]
        decided = {one.decision.rule_id for one in told}
        matching = [rule.id for rule in rulebook.matching(event.seen).rules]
        yield {
            "recorded": True,
            "why": "",
            "uncounted": uncounted(event),
            "event": _event_facts(event.seen, event),
            "at": event.seen.occurred_at,
            "decisions": [one.facts() for one in told],
            "newer_rules": [rule for rule in matching if rule not in decided],
            "other_rules": [rule for rule in rulebook.by_id() if rule not in {*matching, *decided}],
        }


def _aside(connection: sqlite3.Connection, what: str) -> Iterator[dict[str, Any]]:
    """What stands aside under this number: a row of a log, or a post."""
    from agent.cli.helpdesk import unseen
    from agent.collectors.numbers import whole_number
    from agent.ledger import sources
    from agent.ledger.feeds import aside

    name, _, text = what.rpartition(":")
    number = whole_number(text)
    for source in sources.names(connection) if number is not None else ():
        kept = aside.at(connection, source, number or 0) if name in {"", source} else None
        if kept is not None:
            yield {
                "recorded": False,
                "why": unseen.why_aside(source, kept),
                "uncounted": "",
                "event": {"log": f"{source}:{kept.position}", "lms_event": kept.what or "a post"},
                "decisions": [],
                "newer_rules": [],
                "other_rules": [],
            }


async def _live(
    settings: Settings, connection: sqlite3.Connection, file: RuleFile, rulebook: Rulebook, what: str
) -> list[dict[str, Any]]:
    """What Moodle's log says of an id that the ledger does not know.

    Raises:
        InvalidInputError: it is no log id of a configured source.
    """
    from agent.collectors.logstore.history import ID_MAX

    name, _, number = what.rpartition(":")
    sources = [source for source in settings.log_sources if name in {"", source.name}]
    if not number.isdecimal() or int(number) > ID_MAX or not sources:
        known = ", ".join(source.name for source in settings.log_sources)
        raise InvalidInputError(
            f"no recorded event is called {what!r}",
            hint=f"ask with a log id, {sources[0].name if sources else known}:1234, or see: rewards-agent events list",
        )
    return [await _live_row(settings, connection, file, rulebook, source, int(number)) for source in sources]


async def _live_row(
    settings: Settings,
    connection: sqlite3.Connection,
    file: RuleFile,
    rulebook: Rulebook,
    source: LogSource,
    position: int,
) -> dict[str, Any]:
    from agent.cli.helpdesk import asif, unseen
    from agent.cli.helpdesk.absence import Absences
    from agent.cli.terms.who import history_of
    from agent.collectors.systems.moodle import TIME_MAX

    answer: dict[str, Any] = {
        "recorded": False,
        "uncounted": "",
        "event": {"log": f"{source.name}:{position}"},
        "decisions": [],
        "newer_rules": [],
        "other_rules": list(rulebook.by_id()),
    }
    async with history_of(settings, source, file) as history:
        row = await history.row_at(position)
        if row is None:
            return {**answer, "why": unseen.why_missing(connection, source.name, position, await history.ids())}
        answer["event"] |= {"lms_event": row.lms_event, "occurred_at": utc(row.occurred_at), "user": row.user}
        if 0 <= row.occurred_at <= TIME_MAX:
            answer["at"] = row.occurred_at
        act = await history.act_at(position, rulebook.demand)
    if act is None:
        return {**answer, "why": unseen.why_unwanted(row)}
    (event,) = asif.believed(settings, [act])
    answer["uncounted"] = uncounted(event)
    absence = Absences(connection).of_event(event)
    why = unseen.why_undecided(connection, event, rulebook) if absence is None else f"the learner {absence.told}"
    if recorded := list(_recorded(connection, rulebook, event.event_id.hex())):
        return {**recorded[0], "why": why}
    never = {event.event_id: absence.reason} if absence is not None else {}
    decisions = (await asif.judged(settings, rulebook, [event], (), never))[event.event_id]
    told = [as_if_told(event, decision, rulebook, why) for decision in decisions]
    decided = {one.decision.rule_id for one in told}
    answer["event"] = _event_facts(act, event)
    answer["decisions"] = [one.facts() for one in told]
    answer["other_rules"] = [rule for rule in rulebook.by_id() if rule not in decided]
    return {**answer, "why": why}


def _show(answer: Mapping[str, Any], rulebook: Rulebook, zone: str) -> None:
    event = answer["event"]
    at = f", {local(answer['at'], rulebook)} {zone}" if "at" in answer else ""
    typer.echo(f"{event['log']}: {event.get('kind') or event.get('lms_event') or 'not there'}{at}")
    if "event_id" in event:
        people = ", ".join(f"{role} {who}" for role, who in event["people"].items())
        places = ", ".join(f"{name} {event[name]}" for name in ("course", "section", "lesson", "post") if event[name])
        tell(f"  {'; '.join(part for part in (people, places) if part)}")
        request = f", told by request {told}" if (told := event["facts"].get("request_id")) else ""
        typer.echo(f"  event {event['event_id']}, {event['trust']}{request}")
    if answer["why"]:
        tell(f"  {'That row' if answer['recorded'] else 'Never recorded'}: {answer['why']}.")
    for line in _sentences(answer):
        tell(f"  {line}")


def _sentences(answer: Mapping[str, Any]) -> Iterator[str]:
    for decision in answer["decisions"]:
        yield decision["sentence"] + (f" {decision['since']}" if decision["since"] else "")
    for rule in answer["newer_rules"]:
        yield f"{rule} is newer than this event: rules decide what is read after they are loaded."
    if answer["uncounted"] not in {"", answer["why"]}:
        yield f"{answer['uncounted']}."
    others: Sequence[str] = answer["other_rules"]
    if answer["recorded"] and others:
        yield f"Not about such events: {', '.join(others)}."
