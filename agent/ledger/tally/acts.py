"""How often learners did something in two spans of time, and whom rules paid for it. Read-only, read once."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import orjson

from agent import queries
from agent.ledger import codec
from agent.ledger.schedule.datasets import OWN
from agent.model import Fact, PersonMark

_SQL = queries.load("agent.ledger.tally", "acts.sql")
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From ``begins`` until before ``since``, and from there until before ``ends``; seconds UTC."""

    begins: int
    since: int
    ends: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """So many acts of one ``learner`` (`<site>:<LMS user id>`, as recorded), in the second span or the first.

    ``counted`` is whether they are of the kinds asked for, ``value`` the fact asked for where they have it, ``mark``
    what was known of the learner.
    """

    learner: str
    since: bool
    counted: bool
    times: int
    value: Fact | None
    mark: PersonMark | None


def done(connection: sqlite3.Connection, span: Span, kinds: Collection[str], fact: str) -> Iterator[Done]:
    """Every act that may earn, alike ones of a day together; ``fact`` is empty where none is looked at."""
    values: dict[str, str | int] = {"kinds": _listed(kinds), "fact": fact, "own": OWN}
    for since, begins, ends in ((False, span.begins, span.since), (True, span.since, span.ends)):
        for at in range(begins, ends, _DAY_S):  # day by day: what is put together is held in memory meanwhile
            values |= {"begins": at, "ends": min(at + _DAY_S, ends)}
            for learner, counted, value, marks, times in connection.execute(_SQL["done"], values):
                yield Done(
                    learner=learner,
                    since=since,
                    counted=bool(counted),
                    times=times,
                    value=None if value is None else codec.fact_of(value),
                    mark=None if marks is None else orjson.loads(marks).get(learner.partition(":")[2]),
                )


def paid(connection: sqlite3.Connection, span: Span, rules: Collection[str]) -> frozenset[str]:
    """Whom these rules paid for acts of the second span; what was taken back since counts, too."""
    values = {"since": span.since, "ends": span.ends, "rules": _listed(rules)}
    return frozenset(learner for (learner,) in connection.execute(_SQL["paid"], values))


def merged_since(connection: sqlite3.Connection, at: int) -> list[str]:
    """The accounts that became another's from a time on."""
    return [learner for (learner,) in connection.execute(_SQL["merged_since"], (at,))]


def deciding(connection: sqlite3.Connection, span: Span, rules: Collection[str]) -> list[str]:
    """The texts of the rules by which these rules decided acts of the second span."""
    values = {"since": span.since, "ends": span.ends, "rules": _listed(rules)}
    return [text for (text,) in connection.execute(_SQL["deciding"], values)]


def known(connection: sqlite3.Connection) -> tuple[int, int] | None:
    """When the oldest and the newest act were that are recorded; None where there is none."""
    oldest, newest = connection.execute(_SQL["known"]).fetchone()
    return None if oldest is None else (oldest, newest)


def _listed(names: Collection[str]) -> str:
    return orjson.dumps(sorted(names)).decode()
