"""Before and after a date: lessons of the same learners in as many weeks on both sides, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from agent.measures.figures import coin, root
from agent.measures.past import Past

WEEK_DAYS = 7
FEWEST = 20
"""Of fewer learners no interval is told: the mean of so few is not near a bell."""
_SURE = Fraction(196, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Of ``learners`` who were there before and did something on either side: lessons on both, in ``weeks`` each.

    ``up`` of them completed more after than before, ``down`` fewer. ``squares`` is the sum of the squares of their
    differences. ``newcomers`` were first seen within, and are compared with nothing.
    """

    weeks: int
    learners: int
    newcomers: int
    before: int
    after: int
    up: int
    down: int
    squares: int

    @property
    def same(self) -> int:
        """How many completed as many lessons as before."""
        return self.learners - self.up - self.down

    @property
    def change(self) -> Fraction | None:
        """Lessons for each learner and week more than before; below zero fewer."""
        return Fraction(self.after - self.before, self.learners * self.weeks) if self.learners else None

    @property
    def spread(self) -> Fraction | None:
        """The standard deviation of the learners' differences, in lessons a week."""
        if self.learners <= 1:
            return None
        total = self.after - self.before
        variance = (self.squares - Fraction(total * total, self.learners)) / (self.learners - 1)
        return root(variance / self.weeks**2)

    @property
    def interval(self) -> tuple[Fraction, Fraction] | None:
        """Between which numbers the change is, nineteen times out of twenty, if learners were drawn by lot."""
        if self.learners < FEWEST or self.spread is None or self.change is None:
            return None
        wide = _SURE * self.spread / root(Fraction(self.learners))
        return self.change - wide, self.change + wide

    @property
    def size(self) -> Fraction | None:
        """The change in standard deviations (Cohen's d of pairs); None where all changed alike."""
        return self.change / self.spread if self.change is not None and self.spread else None

    @property
    def by_chance(self) -> Fraction:
        """How likely as uneven a split of ``up`` and ``down`` is where nothing changes: the sign test, exact."""
        return coin(self.up, self.down)


def effect(past: Past, weeks: int) -> Effect:
    """Of a span of twice ``weeks`` weeks, the second half beside the first."""
    middle = past.first + weeks * WEEK_DAYS
    sums = {"learners": 0, "newcomers": 0, "before": 0, "after": 0, "up": 0, "down": 0, "squares": 0}
    for mine in past.learners.values():
        if mine.first >= past.first:
            sums["newcomers"] += 1
            continue
        before = sum(past.first <= day < middle for day in mine.lessons.values())
        after = sum(middle <= day for day in mine.lessons.values())
        if not mine.days and not before and not after:
            continue
        sums["learners"] += 1
        sums["before"] += before
        sums["after"] += after
        sums["up"] += after > before
        sums["down"] += after < before
        sums["squares"] += (after - before) ** 2
    return Effect(weeks=weeks, **sums)
