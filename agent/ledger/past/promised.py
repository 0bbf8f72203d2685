"""What a held decision promises, with its event."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from agent.errors import InvalidInputError
from agent.ledger import codec, reading
from agent.model import Decision, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A held decision with its uses, its event and that event's number."""

    decision: Decision
    event: Event
    event_no: int


def promised(connection: sqlite3.Connection, decision_no: int) -> Promised:
    """The held decision of a number, in whatever state its hold is.

    Raises:
        InvalidInputError: nothing of that number is held.
    """
    found = reading.held(connection, decision_no)
    if found is None:
        raise InvalidInputError(f"no decision {decision_no} is held", hint="see: rewards-agent review list")
    row, event, promise = found
    postings, uses = codec.decode_promise(promise)
    reserves = codec.decode_reserves(promise, decision_no)
    return Promised(
        decision=replace(row.decision, postings=postings, uses=uses, reserves=reserves),
        event=event,
        event_no=row.event_no,
    )


def overdue(connection: sqlite3.Connection, before: int) -> tuple[int, int]:
    """How many decisions are held since before a time (seconds UTC), and since when the oldest is (0: none)."""
    sql = "SELECT count(*), coalesce(min(held_at), 0) FROM hold WHERE state = 'open' AND held_at < ?"
    count, oldest = connection.execute(sql, (before,)).fetchone()
    return int(count), int(oldest)
