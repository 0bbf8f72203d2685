"""A past that is kept in memory alone: of acts and awards what some scheduled reward looks at. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Literal

from agent.config.rulefile.tables.scheduled import Measure
from agent.engine.filters import Whom
from agent.engine.rulebook import Rulebook, Timed
from agent.engine.schedule import measuring
from agent.engine.schedule.books import Acts, Awards, Book, Lasts
from agent.engine.schedule.compiling import kinds_of
from agent.engine.schedule.measuring import Counted
from agent.engine.timing.timetable import Span
from agent.model import Decision, Event, Outcome, Role

_NEVER = 2**62


class Remembered:
    """Acts and awards in any order, of each what some scheduled reward makes of it, as long as a run can look at it.

    What only runs over all there ever was can look at is kept as sums.

    ``first_act`` is when (seconds UTC) the earliest was, None before there is one; who is ``absent`` takes no part.
    """

    def __init__(self, rulebook: Rulebook, absent: Container[str] = frozenset()) -> None:
        self._rulebook = rulebook
        self._absent = absent
        self.first_act: int | None = None
        self._times = array("q")
        self._acts: dict[str, Acts] = {}
        self._lasts: dict[str, Lasts] = {}
        self._firsts: dict[tuple[str, Role], dict[str, Event]] = {}
        self._awards: dict[tuple[str, Whom | None], Awards] = {}
        self._uncounted = {timed.spec.id for timed in rulebook.scheduled if not timed.spec.counts}
        self._undone = {rule.id for rule in rulebook.rules if rule.spec.reverse_on or rule.spec.reverse_when}
        for timed in rulebook.scheduled:
            spec, measure = timed.spec, measuring.measure_of(timed.spec)
            if measure is not None:
                self._acts[spec.id] = Acts(timed, measure)
            elif spec.among is not None:
                self._awards[spec.among.by.what, timed.acts.whom] = Awards(timed.acts.whom)
            elif spec.anniversary is not None:
                self._firsts[next(iter(kinds_of(spec)), ""), spec.recipient] = {}
            else:
                self._lasts.update({kind: Lasts() for kind in kinds_of(spec) or ("",)})

    def happened(self, event: Event) -> None:
        """Take an act."""
        seen = event.seen
        at, kind = seen.occurred_at, seen.kind or ""
        self.first_act = at if self.first_act is None else min(at, self.first_act)
        insort(self._times, at)
        for acts in self._acts.values():
            if acts.measure.what == kind:
                counted = measuring.counted(event, acts.measure, acts.timed, self._rulebook)
                if counted is not None:
                    acts.rows.add(at, counted)
        for name in {kind, ""} & self._lasts.keys():
            self._lasts[name].rows.add(at, event)
        for (name, role), firsts in self._firsts.items():
            who = _who(event, role)
            if who and name in {"", kind} and (who not in firsts or at < firsts[who].seen.occurred_at):
                firsts[who] = event

    def decided(self, decisions: Iterable[Decision], events: Mapping[bytes, Event]) -> None:
        """Take what was awarded and what was taken back; ``events`` are those of the decisions, by their ids."""
        for one in decisions:
            if one.outcome not in {Outcome.awarded, Outcome.reversed} or one.rule_id in self._uncounted:
                continue
            act, undone = events[one.event_id].seen, one.rule_id in self._undone
            for posting in one.postings:
                for (currency, _), awards in self._awards.items():
                    if currency == posting.currency:
                        awards.add(one, posting.amount, act, undone=undone)

    def is_empty(self, span: Span) -> bool:
        """Whether nothing at all happened in a span."""
        first = bisect_left(self._times, span.begin)
        return first == len(self._times) or self._times[first] >= span.end

    def settle(self, coming: Collection[tuple[Timed, Span]]) -> None:
        """Let go of what is older than any run to come looks at, and add up what none can tell apart.

        ``coming`` are the rewards that have a run to come, each with what its next one looks at.
        """
        del self._times[: bisect_left(self._times, min((span.begin for _, span in coming), default=_NEVER))]
        begin, apart = dict[Book, int](), dict[Book, int]()
        for timed, span in coming:
            if (book := self._book(timed)) is not None:
                away = timed.spec.inactivity.for_.seconds if timed.spec.inactivity is not None else 0
                begin[book] = min(span.begin - away, begin.get(book, _NEVER))
                apart[book] = min(span.begin or span.end, apart.get(book, _NEVER))
        for book in self._books():
            book.rows.forget(begin.get(book, _NEVER))
            book.add_up(apart.get(book, _NEVER))

    def _book(self, timed: Timed) -> Book | None:
        """What is kept for a scheduled reward; None where that is first acts alone."""
        spec = timed.spec
        if spec.inactivity is not None:
            return self._lasts[next(iter(kinds_of(spec)), "")]
        if spec.among is not None and spec.among.by.how == "earned":
            return self._awards[spec.among.by.what, timed.acts.whom]
        return self._acts.get(spec.id)

    def kept(self) -> int:
        """How many acts and awards are kept one by one."""
        return sum(book.rows.kept() for book in self._books())

    def _books(self) -> Iterator[Book]:
        yield from self._awards.values()
        yield from self._acts.values()
        yield from self._lasts.values()

    def over(self, span: Span) -> Stretch:
        """What a run looks at."""
        return Stretch(span, self._absent, self._awards, self._acts, self._lasts, self._firsts)


class Stretch:
    """A span of it, as a `looking.Past`. Prizes count as the rules of now say."""

    def __init__(
        self,
        span: Span,
        absent: Container[str],
        awards: Mapping[tuple[str, Whom | None], Awards],
        acts: Mapping[str, Acts],
        lasts: Mapping[str, Lasts],
        firsts: Mapping[tuple[str, Role], Mapping[str, Event]],
    ) -> None:
        self._span = span
        self.absent = absent
        self._awards = awards
        self._acts = acts
        self._lasts = lasts
        self._firsts = firsts

    def earned(self, currency: str, whom: Whom | None) -> Iterable[tuple[str, str, int]]:
        """(learner, rule, smallest units), a row for each award and for each that was taken back, or their sum."""
        awards = self._awards[currency, whom]
        if self._span.begin == 0:
            yield from ((who, rule, amount) for (who, rule), amount in awards.sums.items())
        rows = awards.rows.within(self._span.begin, self._span.end)
        yield from ((one.learner, one.rule, one.amount) for one in rows)

    def uncounted(self) -> frozenset[str]:
        """None but those that the rules name."""
        return frozenset()

    def counted(self, timed: Timed, measure: Measure, rulebook: Rulebook) -> Iterable[Counted]:  # noqa: ARG002 - counted as they came
        """What the acts of the span come to that a scheduled reward counts."""
        return self._acts[timed.spec.id].rows.within(self._span.begin, self._span.end)

    def outermost(
        self, which: Literal["first", "last"], *, role: Role, kind: str, since: int
    ) -> Iterable[tuple[str, Event]]:
        """Each learner's first act of all, or the last one from ``since`` on, of a kind or of any."""
        if which == "first":
            firsts = self._firsts[kind, role].items()
            return ((who, act) for who, act in firsts if act.seen.occurred_at < self._span.end)
        found: dict[str, Event] = {}
        for event in self._lasts[kind].rows.within(since, self._span.end):
            if who := _who(event, role):
                found[who] = event
        return found.items()


def _who(event: Event, role: Role) -> str:
    """Whose act it is; nobody's where it never earns or names none."""
    user = event.seen.people.get(role)
    return "" if user is None or event.seen.marks else f"{event.seen.site}:{user}"
