"""Scheduled rewards that failed, or that have waited for longer than anybody would expect."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import RewardsError

if TYPE_CHECKING:
    from agent.config.settings import Settings

OVERDUE_S = 3_600
"""A run that could be decided so long ago and was not waits for something."""


def scheduled_findings(settings: Settings) -> Iterator[Finding]:
    """What of the scheduled rewards somebody must look at."""
    from agent.ledger.file import ledger_path, open_for_reading

    if not ledger_path(settings.agent.data_dir).exists():
        return
    try:
        with contextlib.closing(open_for_reading(settings.agent.data_dir)) as connection:
            yield from _findings(connection, settings)
    except (RewardsError, sqlite3.Error):
        return  # told by what looks at the ledger


def _findings(connection: sqlite3.Connection, settings: Settings) -> Iterator[Finding]:
    from agent.engine.timing.timetable import run_name
    from agent.ledger.schedule import runs
    from agent.schedule import due
    from agent.wiring.rules import read_rules

    for run in runs.listed(connection, states=("failed",)):
        name = run_name(run.scheduled, run.nominal)
        do = f"cure it, then it is tried again by itself: rewards-agent scheduled show {name}"
        yield Finding(
            about="scheduled", level="warn", code="scheduled-failed", found=f"{name} failed: {run.error}", do=do
        )
    _, rulebook = read_rules(settings)
    now, names = int(time.time()), settings.told_by
    for each in due.next_runs(connection, rulebook):
        waits = due.waits_for(connection, each, rulebook, names=names, read_at=None, now=now)
        if now - each.at > OVERDUE_S:
            found = f"{each.name} is not decided yet: {'; '.join(waits) or 'the agent does not run'}"
            yield Finding(
                about="scheduled", level="warn", code="scheduled-late", found=found, do="rewards-agent scheduled list"
            )
    for run in runs.listed(connection, states=("announced",)):
        if now - run.decided_at > OVERDUE_S:
            found = f"draw {run_name(run.scheduled, run.nominal)} waits for the catalogue's receipt"
            yield Finding(
                about="scheduled", level="warn", code="draw-waits", found=found, do="rewards-agent sync status"
            )
