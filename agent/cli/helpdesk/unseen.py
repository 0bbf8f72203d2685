"""Why a row of Moodle's log was never decided: one sentence, the first that applies."""

from __future__ import annotations

import sqlite3
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from agent.cli.frame import utc
from agent.cli.helpdesk.uncounted import uncounted
from agent.collectors.systems.moodle import TIME_MAX
from agent.ledger import reading, sources
from agent.ledger.privacy import retention

if TYPE_CHECKING:
    from agent.collectors.logstore.history import LoggedRow
    from agent.engine.rulebook import Rulebook
    from agent.ledger.feeds.aside import Kept
    from agent.model import Event, GapState, SourceState

_FROM_THEN_ON = "rules decide what is read after they are loaded"
FUTURE = "the agent has never read this source: start it with rewards-agent run"


def why_undecided(connection: sqlite3.Connection, event: Event, rulebook: Rulebook) -> str:
    """Why an act that the rules ask for by name has no decision; its id tells the same fact under another log id."""
    twin = reading.event_by_id(connection, event.event_id, event.seen.occurred_at)
    if twin is not None:
        other = twin[1].seen
        if (other.source, other.position) == (event.seen.source, event.seen.position):
            return f"the rule is newer than this act: {_FROM_THEN_ON}"
        return f"it is the same fact as {other.source}:{other.position}, and a fact counts once"
    if not _concerns(event, rulebook):
        return uncounted(event) or _unwanted(event.seen.kind or event.seen.lms_event)
    state = sources.load(connection, event.seen.source)
    return FUTURE if state is None else _passed_over(connection, state, event, rulebook)


def _passed_over(connection: sqlite3.Connection, state: SourceState, event: Event, rulebook: Rulebook) -> str:
    """Why an act that concerns a rule was not recorded by an agent that reads its source."""
    position, occurred_at = event.seen.position, event.seen.occurred_at
    if state.start_at is not None and occurred_at < state.start_at:
        return f"it happened before payment began ({utc(state.start_at)}, start_at): nothing older ever pays"
    if position <= state.position and retention.read(connection).covers(event.seen.site, occurred_at):
        return "it earned nothing and is forgotten, as all such acts of its time are ([privacy] decisions_keep)"
    if told := _not_read(state, position):
        return told
    if event.seen.lms_event in rulebook.demand.placed:
        return f"{_unwanted(event.seen.kind or event.seen.lms_event)} in this course"
    return f"no rule wanted such events when the agent read this id: {_FROM_THEN_ON}"


def _concerns(event: Event, rulebook: Rulebook) -> bool:
    """Whether a rule is about such events: itself, by what it takes back, or by what such events bring about."""
    seen, matched = event.seen, rulebook.matching(event.seen)
    if matched.rules or matched.undoes or matched.doubts:
        return True
    return seen.kind is not None and any(fnmatchcase(seen.kind, pattern) for pattern in rulebook.demand.patterns)


def _not_read(state: SourceState, position: int) -> str:
    """Why an id was not looked at; empty where it was."""
    if position > state.position:
        said = f"it is not read yet: the agent has read to id {state.position}"
        return f"{said}, and this source is stopped: {state.fault}" if state.fault else said
    match gap_of(state, position):
        case "open":
            return "it appeared late, after its neighbours were read: it is decided with the next look at the gap"
        case "given_up":
            return "it appeared after its gap was given up (gap_patience): such gaps are proven again once a day"
    return ""


def gap_of(state: SourceState | None, position: int) -> GapState | None:
    """Whether an id lies in a gap of its source, and in which sort."""
    for gap in state.gaps if state is not None else ():
        if gap.lo <= position <= gap.hi and (position - gap.lo) % gap.step == 0:
            return gap.state
    return None


def why_missing(connection: sqlite3.Connection, source: str, position: int, ids: tuple[int, int]) -> str:
    """Why the log shows no row of this id. ``ids`` are the lowest and the highest that it has."""
    lowest, highest = ids
    if not highest:
        return "the log is empty"
    if position > highest:
        return f"the log has no such row: its newest is {highest}"
    if position < lowest:
        return (
            f"the log has no such row any more: its oldest is {lowest}, Moodle's log retention removed what was before"
        )
    gap = gap_of(sources.load(connection, source), position)
    if gap is None:
        return "the log has no such row"
    watched = "the agent watches for it" if gap == "open" else "the agent looks again once a day"
    return f"the log has no such row: it was rolled back, or is not committed yet; {watched}"


def why_aside(source: str, kept: Kept) -> str:
    """Why something stands aside, and what to do."""
    return (
        f"it was set aside on {utc(kept.at)}, because version {kept.version} of the agent failed on it ({kept.fault});"
        f" update the agent, then: rewards-agent events requeue --source {source}"
    )


def why_unwanted(row: LoggedRow) -> str:
    """Why no rule looks at a row that is there."""
    if row.anonymous:
        return "Moodle logged it anonymously: nobody is known whom it could be paid to"
    if not 0 <= row.occurred_at <= TIME_MAX:
        return f"its time is no time that a calendar knows ({row.occurred_at}; milliseconds perhaps): never decided"
    return _unwanted(row.lms_event)


def _unwanted(what: str) -> str:
    return f"no rule is about such events ({what})"
