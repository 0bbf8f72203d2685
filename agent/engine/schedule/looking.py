"""What a run comes to, over a past wherever it is kept: the ledger, a story, a simulation. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from agent.config.grammar import Number
from agent.config.rulefile.tables.scheduled import Among, Measure, Rank
from agent.engine import evaluate
from agent.engine.filters import Whom
from agent.engine.rulebook import Rulebook, Timed
from agent.engine.schedule import dates, measuring, ranking
from agent.engine.schedule.compiling import ENROLLED
from agent.engine.schedule.deciding import Winner
from agent.engine.schedule.measuring import Counted
from agent.engine.timing.timetable import Span
from agent.model import Event, Role


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


class Past(Protocol):
    """The acts and awards of a span, as they are known by now. Learners are `<site>:<LMS user id>`."""

    @property
    def absent(self) -> Container[str]:
        """Who takes no part: they neither win nor are compared."""

    def earned(self, currency: str, whom: Whom | None) -> Iterable[tuple[str, str, int]]:
        """(learner, rule, smallest units) that were awarded for acts of the span, ``whom`` they are for, and kept."""

    def uncounted(self) -> frozenset[str]:
        """The scheduled rewards whose prizes did not count when they were paid."""

    def counted(self, timed: Timed, measure: Measure, rulebook: Rulebook) -> Iterable[Counted]:
        """What the acts of the span come to that a scheduled reward counts."""

    def outermost(
        self, which: Literal["first", "last"], *, role: Role, kind: str, since: int
    ) -> Iterable[tuple[str, Event]]:
        """Each learner's first or last act from ``since`` until the end of the span, of a kind or (empty) of any."""


def look(past: Past, span: Span, timed: Timed, rulebook: Rulebook) -> Look:
    """What the acts and earnings of the span come to."""
    found, absent = _looked(past, span, timed, rulebook), past.absent
    return replace(found, winners=tuple(one for one in found.winners if one.learner not in absent))


def _looked(past: Past, span: Span, timed: Timed, rulebook: Rulebook) -> Look:
    spec = timed.spec
    if spec.rank is not None:
        return _ranking(past, timed, rulebook, spec.rank)
    if spec.draw is not None:
        return _tickets(past, timed, rulebook)
    if spec.attendance is not None:
        return _attendance(past, timed, rulebook)
    if spec.anniversary is not None:
        return _anniversary(past, span, timed, rulebook)
    return _absence(past, span, timed, rulebook)


def _values(past: Past, timed: Timed, rulebook: Rulebook, among: Rank | Among) -> tuple[dict[str, Number], int]:
    if among.by.how != "earned":
        return measuring.values(past.counted(timed, among.by, rulebook), among.by)
    currency, rows = among.by.what, past.earned(among.by.what, timed.acts.whom)
    uncounted = frozenset(each.spec.id for each in rulebook.scheduled if not each.spec.counts)
    left_out = past.uncounted() | uncounted
    group = None if among.group is None else _group(rulebook, among.group)
    return measuring.earned(rows, group, left_out, rulebook.decimals.get(currency, 0)), 0


def _group(rulebook: Rulebook, group: str) -> frozenset[str]:
    every = (*rulebook.rules, *(timed.rule for timed in rulebook.scheduled))
    return frozenset(rule.id for rule in every if rule.spec.group == group)


def _ranking(past: Past, timed: Timed, rulebook: Rulebook, rank: Rank) -> Look:
    spec, payees = timed.spec, timed.rule.payees
    values, waiting = _values(past, timed, rulebook, rank)
    values = {who: value for who, value in values.items() if who not in past.absent}
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


def _tickets(past: Past, timed: Timed, rulebook: Rulebook) -> Look:
    draw = timed.spec.draw
    if draw is None:
        return Look()
    values, waiting = _values(past, timed, rulebook, draw.among)
    values = {who: value for who, value in values.items() if who not in past.absent}
    reached = {who: value for who, value in values.items() if ranking.reaches(value, draw.among.at_least)}
    each = draw.tickets
    tickets = {who: 1 if each is None else int(value / each) for who, value in reached.items()}
    return Look(values=values, tickets={who: n for who, n in tickets.items() if n > 0}, waiting=waiting)


def _attendance(past: Past, timed: Timed, rulebook: Rulebook) -> Look:
    attendance, measure = timed.spec.attendance, measuring.measure_of(timed.spec)
    if attendance is None or measure is None:
        return Look()
    values, waiting = measuring.values(past.counted(timed, measure, rulebook), measure)
    least = attendance.days or attendance.weeks or 0
    reached = sorted((who for who, value in values.items() if value >= least), key=ranking.in_order)
    return Look(winners=tuple(_plain(timed, who, values[who]) for who in reached), values=values, waiting=waiting)


def _anniversary(past: Past, span: Span, timed: Timed, rulebook: Rulebook) -> Look:
    anniversary = timed.spec.anniversary
    if anniversary is None:
        return Look()
    kind = ENROLLED if anniversary.of == "enrolment" else ""
    found = list[Winner]()
    for who, event in past.outermost("first", role=timed.spec.recipient, kind=kind, since=0):
        year = dates.anniversary(event.seen.occurred_at, span, anniversary.years, rulebook.calendar)
        if year and not evaluate.of_rule(event, timed.acts, rulebook).reason:
            found.append(_plain(timed, who, year, anniversary=year))
    return Look(winners=_sorted(found), values={one.learner: one.value for one in found})


def _absence(past: Past, span: Span, timed: Timed, rulebook: Rulebook) -> Look:
    inactivity = timed.spec.inactivity
    if inactivity is None:
        return Look()
    away, found = inactivity.for_.seconds, list[Winner]()
    # Whose last act was longer ago was told before, so that only this stretch need be read.
    kind, since = inactivity.of or "", span.begin - away
    last = past.outermost("last", role=timed.spec.recipient, kind=kind, since=since)
    for who, event in last:
        gone = dates.lapsed(event.seen.occurred_at, away, span)
        if gone and not evaluate.of_rule(event, timed.acts, rulebook).reason:
            found.append(_plain(timed, who, (span.end - event.seen.occurred_at) // 86_400))
    return Look(winners=_sorted(found), values={one.learner: one.value for one in found})


def _plain(timed: Timed, learner: str, value: Number, *, anniversary: int = 0) -> Winner:
    postings = timed.rule.payees[0].postings
    return Winner(learner=learner, value=value, place=0, prizes=(0,), postings=postings, anniversary=anniversary)


def _sorted(winners: list[Winner]) -> tuple[Winner, ...]:
    return tuple(sorted(winners, key=lambda one: ranking.in_order(one.learner)))
