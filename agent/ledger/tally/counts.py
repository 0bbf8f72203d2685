"""What a span of time came to, counted from the recorded events, decisions and entries. Read-only, no names."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent import queries
from agent.ledger.reading import DRAW_PREFIX
from agent.ledger.record import BADGE_PREFIX
from agent.model import Outcome

_SQL = queries.load("agent.ledger.tally", "counts.sql")
AWARD = "award"

_Booked = tuple[str, str, str, int, int]
"""(rule, account, kind of entry, sum of amounts, how many people): what was given and what was taken stand apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCount:
    """What a source told: ``newest`` and ``arrived`` (seconds UTC) are of the newest act and of its being recorded."""

    source: str
    events: int
    newest: int
    arrived: int


@dataclass(frozen=True, slots=True, kw_only=True)
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
    paid: Mapping[str, int] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a span came to: by source, by rule (by its id; `manual` among them), and by currency that moved."""

    sources: list[SourceCount]
    rules: dict[str, RuleCount]
    money: dict[str, Money]


def of(connection: sqlite3.Connection, since: int, until: int) -> Tally:
    """What there was from ``since`` until before ``until`` (seconds UTC). Every entry is read, once."""
    span = {"since": since, "until": until}
    booked = connection.execute(_SQL["booked"], span).fetchall()
    return Tally(
        sources=_sources(connection, span),
        rules=_rules(connection, span, booked),
        money=_money(connection, span, booked),
    )


def _rules(connection: sqlite3.Connection, span: Mapping[str, int], booked: Sequence[_Booked]) -> dict[str, RuleCount]:
    decided: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for rule, outcome, held, count in connection.execute(_SQL["decisions"], span):
        decided[rule].update(_counted(Outcome(outcome), held, count))
    why_not: dict[str, str] = {}
    for rule, reason, _ in connection.execute(_SQL["reasons"], {**span, "refused": int(Outcome.refused)}):
        why_not.setdefault(rule, reason)
    paid: defaultdict[str, Counter[str]] = defaultdict(Counter)
    learners: Counter[str] = Counter()
    for rule, account, kind, amount, people in booked:
        if account.startswith(DRAW_PREFIX):
            continue
        paid[rule][account] += amount
        if kind == AWARD:
            learners[rule] = max(learners[rule], people)
    return {
        rule: RuleCount(**decided[rule], why_not=why_not.get(rule, ""), learners=learners[rule], paid=dict(paid[rule]))
        for rule in {*decided, *paid}
    }


def _counted(outcome: Outcome, held: str, count: int) -> dict[str, int]:
    """What so many decisions count as; what came of a hold that is settled by another decision is that one's."""
    if outcome is Outcome.reversed:
        return {"reversed": count}
    if outcome is Outcome.held and held in {"approved", "superseded"}:
        return {}
    counted_as = {Outcome.awarded: "awarded", Outcome.shadow: "shadow", Outcome.refused: "refused"}
    name = "refused" if held == "rejected" else counted_as.get(outcome, "held")
    return {"asked": count, name: count}


def _sources(connection: sqlite3.Connection, span: Mapping[str, int]) -> list[SourceCount]:
    found = connection.execute(_SQL["sources"], span)
    return [SourceCount(source=row[0], events=row[1], newest=row[2], arrived=row[3]) for row in found]


def _money(connection: sqlite3.Connection, span: Mapping[str, int], booked: Sequence[_Booked]) -> dict[str, Money]:
    moved: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, account, _, amount, _ in booked:
        if not account.startswith((BADGE_PREFIX, DRAW_PREFIX)):
            moved[account][amount < 0] += abs(amount)
    spent = {(currency, kind): row for currency, kind, *row in connection.execute(_SQL["spent"], span)}
    nothing = [0, 0, 0]
    return {
        currency: Money(
            issued=moved[currency][0],
            taken_back=moved[currency][1],
            spent=-spent.get((currency, "spend"), nothing)[0],
            redemptions=spent.get((currency, "spend"), nothing)[1],
            spenders=spent.get((currency, "spend"), nothing)[2],
            refunded=spent.get((currency, "refund"), nothing)[0],
            expired=-sum(row[0] for (one, kind), row in spent.items() if (one, kind) == (currency, "expiry")),
        )
        for currency in sorted({*moved, *(currency for currency, _ in spent)})
    }
