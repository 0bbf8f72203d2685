"""Every recorded event in the order it was decided in, page by page, and what came of each; read-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from agent.ledger import codec
from agent.model import Event, Outcome

EVENTS_AT_ONCE = 2_000
_LAST = "SELECT coalesce(max(event_no), 0) FROM event"
_AFTER = """
SELECT v.event_no, v.occurred_at, v.event_id, n.text, v.position, v.trust, v.payload
FROM event v JOIN name n ON n.no = v.source_no
WHERE v.event_no > ? AND v.occurred_at >= ? AND v.occurred_at < ? ORDER BY v.event_no LIMIT ?
"""
_SAID = """
SELECT d.event_no, d.outcome, coalesce(h.state, '')
FROM decision d LEFT JOIN hold h ON h.decision_no = d.decision_no WHERE d.event_no BETWEEN ? AND ?
"""
_BY_WEIGHT = (Outcome.refused, Outcome.reversed, Outcome.held, Outcome.shadow, Outcome.awarded)


def last_event(connection: sqlite3.Connection) -> int:
    """The number of the newest event; 0 where there is none."""
    return int(connection.execute(_LAST).fetchone()[0])


def recorded(
    connection: sqlite3.Connection, *, after: int = 0, since: int = 0, until: int = 2**62, at_once: int = EVENTS_AT_ONCE
) -> Iterator[Sequence[tuple[int, Event]]]:
    """Pages of (event_no, event) after the number ``after``, for acts between two times (seconds UTC, end excluded)."""
    while rows := connection.execute(_AFTER, (after, since, until, at_once)).fetchall():
        after = rows[-1][0]
        yield [
            (
                number,
                codec.decode_event(
                    payload,
                    source=source,
                    position=position,
                    occurred_at=occurred_at,
                    event_id=event_id,
                    trust=trust,
                ),
            )
            for number, occurred_at, event_id, source, position, trust, payload in rows
        ]


def outcomes(connection: sqlite3.Connection, first: int, last: int) -> dict[int, Outcome]:
    """By the number of the event, the best that any rule said, of those from ``first`` to ``last``.

    A hold that somebody rejected is a refusal; one that another decision settled is what that one says. Where no rule
    said anything there is nothing.
    """
    best: dict[int, Outcome] = {}
    for number, outcome, hold in connection.execute(_SAID, (first, last)):
        if hold in {"approved", "superseded"}:
            continue
        said = Outcome.refused if hold == "rejected" else Outcome(outcome)
        best[number] = max(best.get(number, said), said, key=_BY_WEIGHT.index)
    return best
