"""What a run comes to: the ledger read in bulk, and the pure decision over it. Nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent.config.grammar import Number, shown_number
from agent.config.rulefile.tables.scheduled import Among, Measure, Rank
from agent.engine import evaluate
from agent.engine.rulebook import Rulebook, Timed
from agent.engine.schedule import dates, measuring, ranking
from agent.engine.schedule.compiling import ENROLLED
from agent.engine.schedule.deciding import Winner
from agent.engine.timing.timetable import Span
from agent.ledger.record import agreed, erased
from agent.ledger.record.agreed import Absent
from agent.ledger.schedule import datasets, runs
from agent.ledger.schedule.datasets import AsOf

TOLD_MAX = 1000
"""Learners whose figures a run keeps; the rest can be worked out again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a run found: ``winners`` in order, ``values`` of everybody compared, acts that ``wait`` to be believed.

    ``tickets`` are those of a draw by learner; then there are no winners yet.
    """

    winners: tuple[Winner, ...] = ()
    values: Mapping[str, Number] | None = None
    tickets: Mapping[str, int] | None = None
    waiting: int = 0

    def report(self) -> dict[str, Any]:
        """What is kept of it, without names of people."""
        found: dict[str, Any] = {"taking_part": len(self.values or ()), "winners": len(self.winners)}
        if self.waiting:
            found["not_believed"] = self.waiting
        return found


def look(connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf) -> Look:
    """What the acts and earnings of the span come to; who takes no part neither wins nor is compared."""
    out = agreed.absent(connection, erased.out_now(connection))
    found = _looked(connection, timed, rulebook, of, out)
    return replace(found, winners=tuple(one for one in found.winners if one.learner not in out)) if out else found


def _looked(connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf, out: Absent) -> Look:
    spec = timed.spec
    if spec.rank is not None:
        return _ranking(connection, timed, rulebook, of, spec.rank, out)
    if spec.draw is not None:
        return _tickets(connection, timed, rulebook, of, out)
    if spec.attendance is not None:
        return _attendance(connection, timed, rulebook, of)
    if spec.anniversary is not None:
        return _anniversary(connection, timed, rulebook, of)
    return _absence(connection, timed, rulebook, of)


def _values(
    connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf, among: Rank | Among
) -> tuple[dict[str, Number], int]:
    if among.by.how != "earned":
        return _acts(connection, timed, rulebook, of, among.by)
    currency, whom = among.by.what, timed.acts.whom
    if whom is None:
        rows = datasets.earned(connection, of, currency)
    else:
        rows = [
            (learner, rule, amount)
            for learner, rule, amount, event in datasets.earned_by_act(connection, of, currency)
            if whom(event.seen, learner.partition(":")[2]) is None
        ]
    uncounted = frozenset(each.spec.id for each in rulebook.scheduled if not each.spec.counts)
    left_out = runs.uncounted(connection) | uncounted
    group = None if among.group is None else _group(rulebook, among.group)
    return measuring.earned(rows, group, left_out, rulebook.decimals.get(currency, 0)), 0


def _group(rulebook: Rulebook, group: str) -> frozenset[str]:
    every = (*rulebook.rules, *(timed.rule for timed in rulebook.scheduled))
    return frozenset(rule.id for rule in every if rule.spec.group == group)


def _acts(
    connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf, measure: Measure
) -> tuple[dict[str, Number], int]:
    counted = measuring.Acts(measure, timed, rulebook)
    for event in datasets.acts(connection, of, measure.what):
        counted.add(event)
    return counted.values(), counted.waiting


def _ranking(
    connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf, rank: Rank, out: Absent
) -> Look:
    spec, payees = timed.spec, timed.rule.payees
    values, waiting = _values(connection, timed, rulebook, of, rank)
    values = {who: value for who, value in values.items() if who not in out}
    placed = ranking.ranked(values, at_least=rank.at_least, places=len(payees), ties=spec.ties)
    prizes = [payee.postings for payee in payees]
    winners = tuple(
        Winner(
            learner=one.learner,
            value=one.value,
            place=one.place,
            prizes=one.prizes,
            postings=ranking.prize(one, prizes, ties=spec.ties),
        )
        for one in placed
        if one.prizes
    )
    return Look(winners=winners, values=values, waiting=waiting)


def _tickets(connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf, out: Absent) -> Look:
    draw = timed.spec.draw
    if draw is None:
        return Look()
    values, waiting = _values(connection, timed, rulebook, of, draw.among)
    values = {who: value for who, value in values.items() if who not in out}
    reached = {who: value for who, value in values.items() if ranking.reaches(value, draw.among.at_least)}
    each = draw.tickets
    tickets = {who: 1 if each is None else int(value / each) for who, value in reached.items()}
    return Look(values=values, tickets={who: n for who, n in tickets.items() if n > 0}, waiting=waiting)


def _attendance(connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf) -> Look:
    attendance = timed.spec.attendance
    if attendance is None:
        return Look()
    how, least = ("days", attendance.days) if attendance.days is not None else ("weeks", attendance.weeks)
    measure = Measure(how="days" if how == "days" else "weeks", what=attendance.of, text=f"{how} with {attendance.of}")
    values, waiting = _acts(connection, timed, rulebook, of, measure)
    reached = sorted((who for who, value in values.items() if value >= (least or 0)), key=ranking.in_order)
    return Look(winners=tuple(_plain(timed, who, values[who]) for who in reached), values=values, waiting=waiting)


def _anniversary(connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf) -> Look:
    anniversary = timed.spec.anniversary
    if anniversary is None:
        return Look()
    kind = ENROLLED if anniversary.of == "enrolment" else ""
    span, found = Span(begin=of.begins, end=of.ends), list[Winner]()
    for who, event in datasets.outermost(connection, of, which="first", role=timed.spec.recipient, kind=kind):
        year = dates.anniversary(event.seen.occurred_at, span, anniversary.years, rulebook.calendar)
        if year and not evaluate.of_rule(event, timed.acts, rulebook).reason:
            found.append(_plain(timed, who, year, anniversary=year))
    return Look(winners=_sorted(found), values={one.learner: one.value for one in found})


def _absence(connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf) -> Look:
    inactivity = timed.spec.inactivity
    if inactivity is None:
        return Look()
    away, span, found = inactivity.for_.seconds, Span(begin=of.begins, end=of.ends), list[Winner]()
    # Whose last act was longer ago was told before, so that only this stretch need be read.
    last = datasets.outermost(
        connection,
        of,
        which="last",
        role=timed.spec.recipient,
        kind=inactivity.of or "",
        since=of.begins - away,
    )
    for who, event in last:
        gone = dates.lapsed(event.seen.occurred_at, away, span)
        if gone and not evaluate.of_rule(event, timed.acts, rulebook).reason:
            found.append(_plain(timed, who, (of.ends - event.seen.occurred_at) // 86_400))
    return Look(winners=_sorted(found), values={one.learner: one.value for one in found})


def _plain(timed: Timed, learner: str, value: Number, *, anniversary: int = 0) -> Winner:
    postings = timed.rule.payees[0].postings
    return Winner(learner=learner, value=value, place=0, prizes=(0,), postings=postings, anniversary=anniversary)


def _sorted(winners: list[Winner]) -> tuple[Winner, ...]:
    return tuple(sorted(winners, key=lambda one: ranking.in_order(one.learner)))


def told(winner: Winner) -> dict[str, Any]:
    """A winner as JSON can carry it."""
    found: dict[str, Any] = {"learner": winner.learner, "value": shown_number(winner.value)}
    if winner.place:
        found["place"] = winner.place
    found["postings"] = {posting.currency: posting.amount for posting in winner.postings}
    return found
