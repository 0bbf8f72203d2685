"""What commands ask about scheduled rewards: what is next, what it waits for, and a run by its name."""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent.cli.frame import utc
from agent.cli.terms.inforce import rules_in_force
from agent.engine.schedule.coming import first_of_all
from agent.engine.timing.timetable import run_name
from agent.errors import ConfigError, InvalidInputError
from agent.ledger.schedule import runs
from agent.schedule import due

if TYPE_CHECKING:
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook
    from agent.ledger.schedule.runs import Run

COLUMNS = ("scheduled", "next_run", "decided_from", "waits_for", "last_run", "state", "winners", "error")


def standing_of(connection: sqlite3.Connection, settings: Settings) -> list[dict[str, Any]]:
    """Each scheduled reward of the rules in force; nothing where the rules cannot be read."""
    try:
        _, rulebook = rules_in_force(settings, connection)
    except ConfigError:
        return []
    return listed(connection, settings, rulebook)


def listed(connection: sqlite3.Connection, settings: Settings, rulebook: Rulebook) -> list[dict[str, Any]]:
    """Each scheduled reward: its next run and what that waits for, its last one, and the newest error."""
    names = settings.told_by
    following = due.next_runs(connection, rulebook)
    coming = {each.timed.spec.id: each for each in following}
    found = []
    for timed in rulebook.scheduled:
        name = timed.spec.id
        each = coming.get(name)
        last = next(iter(runs.listed(connection, scheduled=name, limit=1)), None)
        open_ones = runs.listed(connection, scheduled=name, states=("failed", "announced"))
        failed = next((run for run in open_ones if run.error), None)
        waits = (
            [
                *due.waits_for(connection, each, rulebook, names=names, read_at=None, now=int(time.time())),
                *first_of_all(each, following),
            ]
            if each
            else []
        )
        found.append(
            {
                "scheduled": name,
                "mode": timed.spec.mode,
                "next_run": each.name if each else "",
                "decided_from": utc(each.at) if each else "",
                "waits_for": "; ".join(waits),
                "last_run": run_name(name, last.nominal) if last else "",
                "state": last.state if last else "",
                "winners": last.report.get("winners", 0) if last else "",
                "error": f"{run_name(name, failed.nominal)}: {failed.error}" if failed else "",
            }
        )
    return found


def run_called(connection: sqlite3.Connection, text: str) -> Run:
    """The run of a name; of `week-champion` alone the newest.

    Raises:
        InvalidInputError: there is none.
    """
    name, at, when = text.partition("@")
    if not at:
        run = next(iter(runs.listed(connection, scheduled=name, limit=1)), None)
    else:
        try:
            moment = datetime.fromisoformat(when)
        except ValueError:
            raise InvalidInputError(f"{when!r} is not a time", hint="such as 2026-09-13T22:00:00Z") from None
        run = runs.one(connection, name, int(moment.timestamp()))
    if run is None:
        known = ", ".join(
            dict.fromkeys(run_name(one.scheduled, one.nominal) for one in runs.listed(connection, limit=5))
        )
        hint = f"the newest: {known}" if known else "nothing was decided yet: rewards-agent scheduled list"
        raise InvalidInputError(f"there is no run {text}", hint=hint)
    return run
