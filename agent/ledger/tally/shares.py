"""What each learner was issued and spent in a span of time, by currency. Read-only; a row for each, never an entry."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent import queries
from agent.ledger.reading import DRAW_PREFIX
from agent.ledger.record import BADGE_PREFIX

_SQL = queries.load("agent.ledger.tally", "shares.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What moved in one currency, smallest units: ``issued`` and ``taken_back`` here, the rest by the statement."""

    issued: int = 0
    taken_back: int = 0
    spent: int = 0
    redemptions: int = 0
    refunded: int = 0
    expired: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(
            issued=self.issued + other.issued,
            taken_back=self.taken_back + other.taken_back,
            spent=self.spent + other.spent,
            redemptions=self.redemptions + other.redemptions,
            refunded=self.refunded + other.refunded,
            expired=self.expired + other.expired,
        )


def of(connection: sqlite3.Connection, since: int, until: int) -> Mapping[str, Mapping[str, Share]]:
    """By currency and learner (``<site>:<LMS user id>``) from ``since`` until before ``until`` (seconds UTC)."""
    span = {"since": since, "until": until}
    found: defaultdict[str, dict[str, Share]] = defaultdict(dict)
    for learner, account, issued, taken_back in connection.execute(_SQL["issued"], span):
        if not account.startswith((BADGE_PREFIX, DRAW_PREFIX)):
            found[account][learner] = Share(issued=issued, taken_back=taken_back)
    for learner, currency, spent, redemptions, refunded, expired in connection.execute(_SQL["spent"], span):
        moved = Share(spent=spent, redemptions=redemptions, refunded=refunded, expired=expired)
        found[currency][learner] = found[currency].get(learner, Share()) + moved
    return found


def together(shares: Mapping[str, Share], learners: Iterable[str]) -> Share:
    """The sums of those of ``learners`` who have a share."""
    return sum((shares[one] for one in learners if one in shares), start=Share())
