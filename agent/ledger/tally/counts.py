"""What a span of time came to, counted from the recorded events, decisions and entries. Read-only, no names."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field

from agent import queries
from agent.ledger.reading import DRAW_PREFIX
from agent.ledger.record import BADGE_PREFIX
from agent.model import Outcome

_SQL = queries.load("agent.ledger.tally", "counts.sql")
AWARD = "award"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCount:
    """What a source told: ``newest`` and ``arrived`` (seconds UTC) are of the newest act and of its being recorded."""

    source: str
    events: int
    newest: int
    arrived: int


@dataclass(slots=True, kw_only=True)
class RuleCount:
    """What came of a rule, and what ``learners`` were paid by it.

    ``why_not`` is its most frequent reason to refuse; ``paid`` is by account, less what was taken back, in smallest
    units, badges as ``badge:<id>``.
    """

    asked: int = 0
    awarded: int = 0
    held: int = 0
    refused: int = 0
    shadow: int = 0
    reversed: int = 0
    why_not: str = ""
    learners: int = 0
    paid: dict[str, int] = field(default_factory=dict)

    @property
    def hit_pct(self) -> int | None:
        """Of a hundred acts that the rule looked at, how many it paid (or would have)."""
        return (self.awarded + self.shadow) * 100 // self.asked if self.asked else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What moved in a currency, smallest units: ``issued`` and ``taken_back`` here, the rest by the statement."""

    issued: int
    taken_back: int
    spent: int
    redemptions: int
    spenders: int
    refunded: int
    expired: int


NOTHING = Money(issued=0, taken_back=0, spent=0, redemptions=0, spenders=0, refunded=0, expired=0)


def sources(connection: sqlite3.Connection, since: int, until: int) -> list[SourceCount]:
    """What each source told of a span, by name."""
    found = connection.execute(_SQL["sources"], {"since": since, "until": until})
    return [SourceCount(source=row[0], events=row[1], newest=row[2], arrived=row[3]) for row in found]


def rules(connection: sqlite3.Connection, since: int, until: int) -> dict[str, RuleCount]:
    """What each rule that decided or paid came to, by its id; `manual` and badges among them."""
    span = {"since": since, "until": until}
    found: defaultdict[str, RuleCount] = defaultdict(RuleCount)
    for rule, outcome, held, count in connection.execute(_SQL["decisions"], span):
        _decided(found[rule], Outcome(outcome), held, count)
    for rule, reason, _ in connection.execute(_SQL["reasons"], {**span, "refused": int(Outcome.refused)}):
        found[rule].why_not = found[rule].why_not or reason
    for rule, account, kind, amount, _, learners in connection.execute(_SQL["booked"], span):
        if account.startswith(DRAW_PREFIX):
            continue
        one = found[rule]
        one.paid[account] = one.paid.get(account, 0) + amount
        if kind == AWARD:
            one.learners = max(one.learners, learners)
    return dict(found)


def _decided(one: RuleCount, outcome: Outcome, held: str, count: int) -> None:
    if outcome is Outcome.reversed:
        one.reversed += count
        return
    if outcome is Outcome.held and held in {"approved", "superseded"}:
        return  # what came of it is a decision of its own
    one.asked += count
    if outcome is Outcome.awarded:
        one.awarded += count
    elif outcome is Outcome.shadow:
        one.shadow += count
    elif outcome is Outcome.held and held != "rejected":
        one.held += count
    else:
        one.refused += count


def money(connection: sqlite3.Connection, since: int, until: int) -> dict[str, Money]:
    """What moved in each currency that moved."""
    span = {"since": since, "until": until}
    booked: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, account, _, amount, _, _ in connection.execute(_SQL["booked"], span):
        if not account.startswith((BADGE_PREFIX, DRAW_PREFIX)):
            booked[account][amount < 0] += abs(amount)
    spent = {(currency, kind): row for currency, kind, *row in connection.execute(_SQL["spent"], span)}
    nothing = [0, 0, 0]
    return {
        currency: Money(
            issued=booked[currency][0],
            taken_back=booked[currency][1],
            spent=-spent.get((currency, "spend"), nothing)[0],
            redemptions=spent.get((currency, "spend"), nothing)[1],
            spenders=spent.get((currency, "spend"), nothing)[2],
            refunded=spent.get((currency, "refund"), nothing)[0],
            expired=-sum(row[0] for (one, kind), row in spent.items() if (one, kind) == (currency, "expiry")),
        )
        for currency in sorted({*booked, *(currency for currency, _ in spent)})
    }
