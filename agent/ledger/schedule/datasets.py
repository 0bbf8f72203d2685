"""What a scheduled run looks at, read-only and as of one entry and one event, so that it can be repeated later."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from agent import queries
from agent.ledger import codec
from agent.model import Event

OWN = "scheduled"
"""The source of prizes: they are no acts."""

_SQL = queries.load("agent.ledger.schedule", "datasets.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """The newest entry and event that a run looks at, and the span of acts (seconds UTC, end excluded)."""

    seq: int
    event: int
    begins: int
    ends: int


def newest(connection: sqlite3.Connection) -> tuple[int, int]:
    """The newest seq and event number."""
    seq, event = connection.execute(_SQL["as_of"]).fetchone()
    return int(seq), int(event)


def first_act(connection: sqlite3.Connection, after: int = -(2**62)) -> int | None:
    """When the first act at or after a time was, prizes left out; None where there is none."""
    row = connection.execute(_SQL["first_act"], (after, OWN)).fetchone()
    return None if row is None else int(row[0])


def earned(connection: sqlite3.Connection, of: AsOf, currency: str) -> list[tuple[str, str, int]]:
    """(learner, rule, smallest units) that were awarded for acts of the span and were not taken back."""
    values = _values(of, currency)
    return [(learner, rule, amount) for learner, rule, amount in connection.execute(_SQL["earned"], values)]


def earned_by_act(connection: sqlite3.Connection, of: AsOf, currency: str) -> Iterator[tuple[str, str, int, Event]]:
    """As `earned`, award by award with its act."""
    values = _values(of, currency)
    for learner, rule, amount, *event in connection.execute(_SQL["earned_by_act"], values):
        yield learner, rule, amount, _event(event)


def _values(of: AsOf, currency: str) -> dict[str, object]:
    of_currency = b'"currency":' + orjson.dumps(currency)
    return {"seq": of.seq, "begins": of.begins, "ends": of.ends, "currency": currency, "of_currency": of_currency}


def acts(connection: sqlite3.Connection, of: AsOf, kind: str) -> Iterator[Event]:
    """The acts of a kind in the span, in the order of their times."""
    values = {"begins": of.begins, "ends": of.ends, "event": of.event, "kind": kind}
    for row in connection.execute(_SQL["acts"], values):
        yield _event(list(row))


def outermost(
    connection: sqlite3.Connection,
    of: AsOf,
    *,
    which: Literal["first", "last"],
    role: str,
    kind: str = "",
    since: int = 0,
) -> Iterator[tuple[str, Event]]:
    """Each learner's ``first`` or ``last`` act from ``since`` until the end of the span, of a kind or of any."""
    values = {"event": of.event, "ends": of.ends, "kind": kind, "role": role, "own": OWN, "since": since}
    for learner, _, *event in connection.execute(_SQL[f"{which}_of_each"], values):
        yield learner, _event(event)


def late(connection: sqlite3.Connection, of: AsOf) -> tuple[int, int]:
    """Entries and acts of the span that came to be known after the run had looked."""
    entries = connection.execute(_SQL["late_entries"], (of.seq, of.begins, of.ends, OWN)).fetchone()[0]
    events = connection.execute(_SQL["late_events"], (of.event, of.begins, of.ends, OWN)).fetchone()[0]
    return int(entries), int(events)


def learners(connection: sqlite3.Connection, pseudonyms: list[str]) -> dict[str, str]:
    """Pseudonym → `<site>:<LMS user id>`, for those who are not erased."""
    return dict(map(tuple, connection.execute(_SQL["learners"], (orjson.dumps(pseudonyms).decode(),))))


def _event(row: list[Any]) -> Event:
    _, occurred_at, event_id, source, position, trust, payload = row
    return codec.decode_event(
        payload, source=source, position=position, occurred_at=occurred_at, event_id=event_id, trust=trust
    )
