"""A past that is kept in memory alone: of acts and awards what some scheduled reward looks at. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from agent.engine.rulebook import Timed
from agent.engine.schedule.compiling import audiences, kinds_of
from agent.engine.timing.timetable import Span
from agent.model import Decision, Event, Outcome, Role

_T = TypeVar("_T")
_NEVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """An award, or one that was taken back: ``amount`` in smallest units; its ``act`` only where some run asks it."""

    learner: str
    rule: str
    amount: int
    act: Event | None


class _Rows(Generic[_T]):
    """Things by their time, in whatever order they come; those of one second in the order in which they came."""

    __slots__ = ("_arrived", "_rows")

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, _T]] = []
        self._arrived = 0

    def add(self, at: int, one: _T) -> None:
        self._arrived += 1
        insort(self._rows, (at, self._arrived, one))

    def within(self, begin: int, end: int) -> Iterator[_T]:
        for number in range(bisect_left(self._rows, (begin,)), bisect_left(self._rows, (end,))):
            yield self._rows[number][2]

    def forget(self, before: int) -> None:
        del self._rows[: bisect_left(self._rows, (before,))]

    def kept(self) -> int:
        return len(self._rows)


class Remembered:
    """Acts and awards in any order, each kept as long as a run to come can look at it.

    Awards that only runs over all there ever was can look at are kept as sums, but where their acts are asked.

    ``first_act`` is when (seconds UTC) the earliest was, None before there is one; who is ``absent`` takes no part.
    """

    def __init__(self, scheduled: Collection[Timed], absent: Container[str] = frozenset()) -> None:
        self._absent = absent
        self.first_act: int | None = None
        self._times = array("q")
        self._acts: dict[str, _Rows[Event]] = {}
        self._firsts: dict[tuple[str, Role], dict[str, Event]] = {}
        self._earned: dict[str, _Rows[Earned]] = {}
        self._sums: dict[str, Counter[tuple[str, str]]] = {}
        self._by_act: set[str] = set()
        self._uncounted = {timed.spec.id for timed in scheduled if not timed.spec.counts}
        for spec in (timed.spec for timed in scheduled):
            if spec.among is not None and spec.among.by.how == "earned":
                self._earned[spec.among.by.what] = _Rows()
                self._sums[spec.among.by.what] = Counter()
                self._by_act.update([spec.among.by.what] if audiences(spec) else [])
            elif spec.anniversary is not None:
                self._firsts[next(iter(kinds_of(spec)), ""), spec.recipient] = {}
            else:
                self._acts.update({kind: _Rows() for kind in kinds_of(spec) or ("",)})

    def happened(self, event: Event) -> None:
        """Take an act."""
        seen = event.seen
        at, kind = seen.occurred_at, seen.kind or ""
        self.first_act = at if self.first_act is None else min(at, self.first_act)
        insort(self._times, at)
        for name in {kind, ""} & self._acts.keys():
            self._acts[name].add(at, event)
        for (name, role), firsts in self._firsts.items():
            who = _who(event, role)
            if who and name in {"", kind} and (who not in firsts or at < firsts[who].seen.occurred_at):
                firsts[who] = event

    def decided(self, decisions: Iterable[Decision], events: Mapping[bytes, Event]) -> None:
        """Take what was awarded and what was taken back; ``events`` are those of the decisions, by their ids."""
        for one in decisions:
            if one.outcome in {Outcome.awarded, Outcome.reversed} and one.rule_id not in self._uncounted:
                for posting in one.postings:
                    if posting.currency in self._earned:
                        self._earn(one, posting.currency, posting.amount, events[one.event_id])

    def _earn(self, one: Decision, currency: str, amount: int, event: Event) -> None:
        """What is taken back counts as of the act that had earned it."""
        rows = self._earned[currency]
        at, act = event.seen.occurred_at, event if currency in self._by_act else None
        if one.reverses is not None:
            at = one.reverses.when[0]
            mine = (row for row in rows.within(at, at + 1) if (row.learner, row.rule) == (one.learner, one.rule_id))
            act = next((row.act for row in mine), act)
        rows.add(at, Earned(learner=one.learner, rule=one.rule_id, amount=amount, act=act))

    def is_empty(self, span: Span) -> bool:
        """Whether nothing at all happened in a span."""
        first = bisect_left(self._times, span.begin)
        return first == len(self._times) or self._times[first] >= span.end

    def forget(self, before: Mapping[str, int], spans: int) -> None:
        """Let go of what is older than any run to come looks at, by kind or currency: all that is not named.

        No span to come begins before ``spans`` (seconds UTC).
        """
        del self._times[: bisect_left(self._times, spans)]
        for name, acts in self._acts.items():
            acts.forget(before.get(name, _NEVER))
        for name, earned in self._earned.items():
            earned.forget(before.get(name, _NEVER))

    def add_up(self, before: Mapping[str, int]) -> None:
        """Keep of awards only their sum where they are so old that no run to come can tell them apart, by currency."""
        for name, when in before.items():
            if name not in self._by_act:
                for one in self._earned[name].within(0, when):
                    self._sums[name][one.learner, one.rule] += one.amount
                self._earned[name].forget(when)

    def kept(self) -> int:
        """How many acts and awards are kept one by one."""
        acts, earned = self._acts.values(), self._earned.values()
        return sum(rows.kept() for rows in acts) + sum(rows.kept() for rows in earned)

    def over(self, span: Span) -> Stretch:
        """What a run looks at."""
        return Stretch(span, self._absent, self._acts, self._firsts, self._earned, self._sums)


class Stretch:
    """A span of it, as a `looking.Past`. Prizes count as the rules of now say."""

    def __init__(
        self,
        span: Span,
        absent: Container[str],
        acts: Mapping[str, _Rows[Event]],
        firsts: Mapping[tuple[str, Role], Mapping[str, Event]],
        earned: Mapping[str, _Rows[Earned]],
        sums: Mapping[str, Mapping[tuple[str, str], int]],
    ) -> None:
        self._span = span
        self.absent = absent
        self._acts = acts
        self._firsts = firsts
        self._earned = earned
        self._sums = sums

    def earned(self, currency: str) -> Iterable[tuple[str, str, int]]:
        """(learner, rule, smallest units), a row for each award and for each that was taken back."""
        if self._span.begin == 0:
            yield from ((who, rule, amount) for (who, rule), amount in self._sums[currency].items())
        yield from ((one.learner, one.rule, one.amount) for one in self._rows(currency))

    def earned_by_act(self, currency: str) -> Iterable[tuple[str, str, int, Event]]:
        """As `earned`, each with the act that was awarded."""
        return ((one.learner, one.rule, one.amount, one.act) for one in self._rows(currency) if one.act is not None)

    def _rows(self, currency: str) -> Iterator[Earned]:
        return self._earned[currency].within(self._span.begin, self._span.end)

    def uncounted(self) -> frozenset[str]:
        """None but those that the rules name."""
        return frozenset()

    def acts(self, kind: str) -> Iterable[Event]:
        """The acts of a kind."""
        return self._acts[kind].within(self._span.begin, self._span.end)

    def outermost(
        self, which: Literal["first", "last"], *, role: Role, kind: str, since: int
    ) -> Iterable[tuple[str, Event]]:
        """Each learner's first act of all, or the last one from ``since`` on, of a kind or of any."""
        if which == "first":
            firsts = self._firsts[kind, role].items()
            return ((who, act) for who, act in firsts if act.seen.occurred_at < self._span.end)
        found: dict[str, Event] = {}
        for event in self._acts[kind].within(since, self._span.end):
            if who := _who(event, role):
                found[who] = event
        return found.items()


def _who(event: Event, role: Role) -> str:
    """Whose act it is; nobody's where it never earns or names none."""
    user = event.seen.people.get(role)
    return "" if user is None or event.seen.marks else f"{event.seen.site}:{user}"
