"""`rewards-agent scheduled …`: what is due and what it waits for, what was decided, and deciding it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, emit_one, note, settings_of, utc
from agent.cli.scheduled.asked import COLUMNS, listed, run_called
from agent.cli.terms.inforce import amounts_text, rules_in_force
from agent.errors import InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from agent.engine.rulebook import Rulebook
    from agent.engine.schedule.looking import Look
    from agent.ledger.schedule.runs import Run

app = Application(no_args_is_help=True, help="Rankings, attendance, draws: what is due, what was decided.")

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="week-champion@2026-09-13T22:00:00Z, or its newest: week-champion.")
]


@app.command("list")
def list_scheduled(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Each scheduled reward: its next run, from when on and what it waits for; its last run; an error to be read.

    Example: rewards-agent scheduled list
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        found = listed(connection, settings, rulebook)
    emit(found, COLUMNS, json=json, empty="the rules have nothing scheduled")


@app.command()
def show(
    run: RunArgument,
    standings: Annotated[
        bool, typer.Option("--standings", help="Everybody who was compared, worked out again.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """What a run decided for whom and why, what came too late for it, or why it failed.

    With --standings everything it looked at is looked at again, as the ledger was then and by the rules of then.

    Example: rewards-agent scheduled show week-champion --standings
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        kept = run_called(connection, run)
        told = _told(connection, kept)
        decided = _decided(connection, kept, rulebook)
        compared = _standings(connection, kept) if standings else []
    if json:
        emit_json({**told, "decisions": decided, **({"standings": compared} if standings else {})})
        return
    emit_one(told, json=False)
    emit(decided, ("learner", "outcome", "gets", "reason", "message"), json=False, empty="nobody gets anything")
    if standings:
        emit(compared, ("learner", "value"), json=False, empty="nobody was compared")


@app.command("run")
def run_due(
    scheduled: Annotated[str | None, typer.Argument(metavar="ID", help="One of them, for a dry run.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what the next run would decide now; change nothing.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Decide what is due and waits for nothing, as the agent does by itself; exits with 1 where a run failed.

    A command that runs alone reads no source, so it decides only what a running agent could decide.

    Example: rewards-agent scheduled run week-champion --dry-run
    """
    if dry_run:
        _tried(scheduled, config, json=json)
        return
    if scheduled is not None:
        raise InvalidInputError("what is due is decided together", hint="leave the id out, or add --dry-run")
    done: list[dict[str, Any]] = carry_out(config, "scheduled.run")
    emit(
        done, ("run", "state", "winners", "entries", "error"), json=json, empty="nothing is due that waits for nothing"
    )
    if any(one["state"] == "failed" for one in done):
        raise typer.Exit(1)


def _tried(scheduled: str | None, config: Path | None, *, json: bool) -> None:
    import time

    from agent.ledger.schedule import datasets
    from agent.ledger.schedule.datasets import AsOf
    from agent.schedule import due
    from agent.schedule.looking import look

    settings = settings_of(config)
    names = settings.told_by
    found = []
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        known = [timed.spec.id for timed in rulebook.scheduled]
        if scheduled is not None and scheduled not in known:
            raise InvalidInputError(f"nothing scheduled is called {scheduled}", hint=f"there is {', '.join(known)}")
        seq, event = datasets.newest(connection)
        for each in due.next_runs(connection, rulebook):
            if scheduled not in {None, each.timed.spec.id}:
                continue
            of = AsOf(seq=seq, event=event, begins=each.span.begin, ends=each.span.end)
            waits = due.waits_for(connection, each, rulebook, names=names, read_at=None, now=int(time.time()))
            seen = look(connection, each.timed, rulebook, of)
            found.append({"run": each.name, "waits_for": "; ".join(waits), **_would(seen, rulebook)})
    if json:
        emit_json(found)
        return
    for one in found:
        winners = one.pop("winners")
        emit_one(one, json=False)
        emit(winners, ("place", "learner", "value", "gets"), json=False, empty="nobody would get anything")
    if not found:
        note("no run is to come yet: nothing was read, or nothing is in force")


def _would(seen: Look, rulebook: Rulebook) -> dict[str, Any]:
    from agent.schedule.looking import told

    winners = []
    for winner in seen.winners:
        one = told(winner)
        winners.append({**one, "gets": amounts_text(one.pop("postings"), rulebook)})
    drawn = {} if seen.tickets is None else {"tickets": sum(seen.tickets.values())}
    return {"compared": len(seen.values or ()), **drawn, "not_believed": seen.waiting, "winners": winners}


def _told(connection: sqlite3.Connection, run: Run) -> dict[str, Any]:
    from agent.engine.timing.timetable import run_name
    from agent.ledger.schedule import datasets
    from agent.ledger.schedule.datasets import AsOf

    of = AsOf(seq=run.as_of_seq, event=run.as_of_event, begins=run.begins, ends=run.ends)
    entries, events = datasets.late(connection, of)
    return {
        "run": run_name(run.scheduled, run.nominal),
        "state": run.state,
        "over": f"{utc(run.begins)} to {utc(run.ends)}",
        "decided_at": utc(run.decided_at),
        "as_of_entry": run.as_of_seq,
        "rules_version": run.rules_version[:12],
        **{key: value for key, value in run.report.items() if key != "drawn"},
        **({"announced_entry": run.announced_seq} if run.announced_seq else {}),
        "too_late": f"{events} acts and {entries} entries of that time became known later and do not count",
        **({"error": run.error} if run.error else {}),
    }


def _decided(connection: sqlite3.Connection, run: Run, rulebook: Rulebook) -> list[dict[str, Any]]:
    from agent.ledger.schedule import runs

    return [
        {
            "decision": number,
            "learner": decision.learner,
            "outcome": decision.outcome.name,
            "gets": amounts_text({posting.currency: posting.amount for posting in decision.postings}, rulebook),
            "reason": decision.reason,
            "message": decision.message,
        }
        for number, decision in runs.prizes(connection, run.scheduled, run.nominal)
    ]


def _standings(connection: sqlite3.Connection, run: Run) -> list[dict[str, Any]]:
    from agent.config.grammar import shown_number
    from agent.engine.schedule.ranking import in_order
    from agent.ledger import reading
    from agent.ledger.schedule.datasets import AsOf
    from agent.schedule.looking import look
    from agent.wiring.rules import compile_text

    kept = reading.rules_text(connection, run.rules_version)
    rulebook = compile_text(kept[1]) if kept is not None else None
    timed = next((one for one in rulebook.scheduled if one.spec.id == run.scheduled), None) if rulebook else None
    if rulebook is None or timed is None:
        raise InvalidInputError("the rules of that run are not kept", hint="see: rewards-agent rules history")
    of = AsOf(seq=run.as_of_seq, event=run.as_of_event, begins=run.begins, ends=run.ends)
    values = look(connection, timed, rulebook, of).values or {}
    best_first = sorted(values.items(), key=lambda pair: (-pair[1], in_order(pair[0])))
    return [{"learner": who, "value": shown_number(value)} for who, value in best_first]
