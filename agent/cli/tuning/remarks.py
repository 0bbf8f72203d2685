"""What a reader must know to believe the figures of a simulation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agent.cli.frame import utc

if TYPE_CHECKING:
    import sqlite3

    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook
    from agent.engine.schedule.coming import Due
    from agent.engine.whatif.trial import Findings


def of_runs(found: Findings, unsettled: Sequence[Due]) -> Iterator[str]:
    """What cannot be known of scheduled rewards before they are decided."""
    for name, runs in found.scheduled.items():
        if runs.drawn:
            yield f"{name}: who is drawn is chance, so that its prizes are in nobody's figures and no total"
        if runs.waiting:
            many = "1 run" if runs.waiting == 1 else f"{runs.waiting} runs"
            yield f"{name}: {many} would wait for decisions that are held; here those paid nothing"
    for due in unsettled:
        yield f"{due.name} is not decided by then: it settles until {utc(due.at)}"


def of_origin(
    settings: Settings, ledger: sqlite3.Connection | None, sets: Sequence[tuple[RuleFile, Rulebook]], begin: int
) -> Iterator[str]:
    """What the ``ledger`` did not record, or, without one, what a log does not tell."""
    rulebooks = [rulebook for _, rulebook in sets]
    yield from _of_log(settings, rulebooks, begin) if ledger is None else _of_ledger(ledger, rulebooks)


def _of_log(settings: Settings, rulebooks: Sequence[Rulebook], begin: int) -> Iterator[str]:
    from agent.engine.whatif.trial import demand_of, looked_up

    if facts := looked_up(demand_of(rulebooks)):
        yield f"as of now instead of as of then, because the log does not tell them: {', '.join(facts)}"
    if begin:
        yield "what happened before --since is not known: once_per, limits and anniversaries count from there"
    if settings.post_sources:
        yield "posted events are not in a log: --from ledger has them"


def _of_ledger(ledger: sqlite3.Connection, rulebooks: Sequence[Rulebook]) -> Iterator[str]:
    from agent.cli.tuning import history

    names, facts = history.lacking(ledger, rulebooks)
    if names:
        listed = ", ".join(sorted(names))
        yield f"not recorded all the time, since no rule asked for it: {listed}; --from log reads it"
    if facts:
        listed = ", ".join(sorted(facts))
        yield f"not looked up all the time, so unknown where it is missing: {listed}; --from log looks it up"
