"""Events in the order in which they are recorded, those of before first, then each as it comes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from agent.ledger import reading

if TYPE_CHECKING:
    from agent.model import Event

LOOK_S = 0.5
"""How often is looked for more."""
PAGE = 500
_NEWEST = "SELECT coalesce(max(event_no), 0) FROM event"


def events(
    connection: sqlite3.Connection, *, learner: str, kind: str, lines: int, follow: bool
) -> Iterator[tuple[int, Event]]:
    """(event_no, event): the newest ``lines`` that fit, oldest first; with ``follow`` what comes then, for ever.

    ``learner`` (``<site>:<id>``, in whatever role) and ``kind`` (`forum.*`) are empty for any.
    """
    (last,) = connection.execute(_NEWEST).fetchone()
    if lines:
        yield from reversed(reading.events(connection, learner=learner, kind=kind, newest=lines))
    while follow:
        found = reading.events_behind(connection, last, PAGE)
        for number, event in found:
            last = number
            if _fits(event, learner, kind):
                yield number, event
        if len(found) < PAGE:
            time.sleep(LOOK_S)


def _fits(event: Event, learner: str, kind: str) -> bool:
    site, _, user = learner.partition(":")
    seen = event.seen
    mine = not learner or (seen.site == site and user in seen.people.values())
    return mine and (not kind or fnmatchcase(seen.kind or "", kind))


def line(row: Mapping[str, Any]) -> str:
    """One event for a person: when, what, who, and what each rule said."""
    who = ", ".join(dict.fromkeys(row["people"].values()))
    said = ", ".join(f"{rule} {outcome}" for rule, outcome in row["outcomes"].items())
    return f"{row['occurred_at']}  {row['log']:<16}  {row['kind']:<20}  {who:<14}  {said or 'no rule'}"
