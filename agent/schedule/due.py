"""What is due and what it still waits for, as the ledger and a clock have it. Nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from agent.engine.rulebook import Rulebook
from agent.engine.schedule.coming import Due, due_at, matters, settled_by_nothing
from agent.engine.timing.timetable import Span, utc
from agent.ledger import sources
from agent.ledger.schedule import datasets, runs

HOLDS_TOLD_MAX = 5
FAR_FUTURE = 2**40


def next_runs(connection: sqlite3.Connection, rulebook: Rulebook) -> list[Due]:
    """The next run of each scheduled reward that is in force, the first to be decided first."""
    since, newest, first = runs.since(connection), runs.newest(connection), datasets.first_act(connection)
    found = []
    for timed in rulebook.scheduled:
        name = timed.spec.id
        if first is None or name not in since:
            continue
        after = max(since[name], newest.get(name, -FAR_FUTURE), first)
        nominal = timed.timetable.after(after)
        if nominal is not None:
            found.append(due_at(timed, nominal))
    return sorted(found, key=lambda due: due.at)


def again(connection: sqlite3.Connection, rulebook: Rulebook) -> Iterator[tuple[Due, runs.Run]]:
    """Runs that failed, each with what is kept of it."""
    by_id = {timed.spec.id: timed for timed in rulebook.scheduled}
    for run in runs.listed(connection, states=("failed",)):
        timed = by_id.get(run.scheduled)
        if timed is not None:
            yield Due(timed=timed, nominal=run.nominal, span=Span(begin=run.begins, end=run.ends)), run


def is_empty(connection: sqlite3.Connection, due: Due) -> bool:
    """Whether nothing at all happened in its span, where that settles it."""
    if not settled_by_nothing(due.timed):
        return False
    first = datasets.first_act(connection, due.span.begin)
    return first is None or first >= due.span.end


def waits_for(
    connection: sqlite3.Connection,
    due: Due,
    rulebook: Rulebook,
    *,
    names: Sequence[str],
    read_at: Mapping[str, int] | None,
    now: int,
) -> list[str]:
    """Why a run cannot be decided yet, in words; nothing where it can.

    ``names`` are the sources, ``read_at`` when each was last read to its end (None: that is not asked).
    """
    if now < due.at:
        return [f"its settle of {due.timed.spec.settle.text} is over at {utc(due.at)}"]
    found = []
    for name in names:
        state = sources.load(connection, name)
        if state is not None and state.fault:
            found.append(f"source {name} is stopped: {state.fault}")
        elif state is None or (read_at is not None and read_at.get(name, -1) < due.at):
            found.append(f"source {name} is not read past {utc(due.span.end)} yet")
    return found + _holds(connection, due, rulebook)


def _holds(connection: sqlite3.Connection, due: Due, rulebook: Rulebook) -> list[str]:
    """Decisions that wait for somebody and could still change what it compares."""
    held = runs.held(connection, due.span.begin, due.span.end)
    held = [one for one in held if matters(due.timed, one[1], one[2], rulebook)]
    if not held:
        return []
    numbers = ", ".join(str(number) for number, _, _ in held[:HOLDS_TOLD_MAX])
    more = f" and {len(held) - HOLDS_TOLD_MAX} more" if len(held) > HOLDS_TOLD_MAX else ""
    return [f"{len(held)} held decisions about acts of its time: {numbers}{more} (rewards-agent review list)"]
