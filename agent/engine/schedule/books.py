"""What scheduled rewards look at, kept by its time: awards, what acts come to, last acts. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from agent.config.rulefile.tables.scheduled import Measure
from agent.engine.filters import Whom
from agent.engine.rulebook import Timed
from agent.engine.schedule import measuring
from agent.engine.schedule.measuring import Counted
from agent.model import Decision, Event, Observation

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """An award, or one that was taken back: ``amount`` in smallest units."""

    learner: str
    rule: str
    amount: int


class Rows(Generic[_T]):
    """Things by their time, in whatever order they come; those of one second in the order in which they came."""

    __slots__ = ("_arrived", "_rows")

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, _T]] = []
        self._arrived = 0

    def add(self, at: int, one: _T) -> None:
        """Take one."""
        self._arrived += 1
        insort(self._rows, (at, self._arrived, one))

    def within(self, begin: int, end: int) -> Iterator[_T]:
        """Those from ``begin`` until before ``end``."""
        for number in range(bisect_left(self._rows, (begin,)), bisect_left(self._rows, (end,))):
            yield self._rows[number][2]

    def forget(self, before: int) -> None:
        """Let go of what is older."""
        del self._rows[: bisect_left(self._rows, (before,))]

    def kept(self) -> int:
        """How many there are."""
        return len(self._rows)


class Awards:
    """Awards of one currency, ``whom`` their acts are for; those that no run can tell apart any more are sums.

    ``_back`` are those that fit and may be taken back, for what undoes an act need not say whom that was for.
    """

    def __init__(self, whom: Whom | None) -> None:
        self.rows: Rows[Earned] = Rows()
        self.sums: Counter[tuple[str, str]] = Counter()
        self._whom = whom
        self._back: set[tuple[str, str, int]] = set()

    def add(self, one: Decision, amount: int, act: Observation, *, undone: bool) -> None:
        """Take an award, or that one is taken back: that counts as of the act that had earned it."""
        at = act.occurred_at if one.reverses is None else one.reverses.when[0]
        if self._whom is not None:
            key = one.learner, one.rule_id, at
            fits = key in self._back if one.reverses else self._whom(act, one.learner.partition(":")[2]) is None
            if not fits:
                return
            self._back.update([key] if undone else [])
        self.rows.add(at, Earned(learner=one.learner, rule=one.rule_id, amount=amount))

    def add_up(self, before: int) -> None:
        """Keep only sums of what is older."""
        for one in self.rows.within(0, before):
            self.sums[one.learner, one.rule] += one.amount
        self.rows.forget(before)


class Acts:
    """What acts come to for one scheduled reward; where no run can tell them apart any more, a row for each learner."""

    def __init__(self, timed: Timed, measure: Measure) -> None:
        self.timed = timed
        self.measure = measure
        self.rows: Rows[Counted] = Rows()

    def add_up(self, before: int) -> None:
        """Keep of what is older only what it comes to together."""
        older = tuple(measuring.together(self.rows.within(0, before), self.measure))
        self.rows.forget(before)
        for one in older:
            self.rows.add(0, one)


class Lasts:
    """Acts of a kind, or of any, for those whose last one is looked for."""

    def __init__(self) -> None:
        self.rows: Rows[Event] = Rows()

    def add_up(self, before: int) -> None:
        """Nothing: absence ends what is looked at."""


Book = Awards | Acts | Lasts
