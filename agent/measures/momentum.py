"""The weekly momentum score: lessons of a week beside the weeks before, 50 being as before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from agent.measures.figures import share
from agent.measures.past import Past

BEFORE = 4
"""So many weeks are what a week is held against."""
WEEK_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """The week that begins on ``week``: ``lessons`` in it and in the four ``before``.

    ``learners`` completed some lesson in these five weeks; ``rising`` of them more in this one than in a mean one of
    the four, ``falling`` fewer, all others as many.
    """

    week: int
    lessons: int
    before: int
    learners: int
    rising: int
    falling: int

    @property
    def score(self) -> Fraction | None:
        """100 × L ÷ (L + M): L lessons this week, M those of a mean week before. 50 is as before, 0 is a standstill."""
        return share(BEFORE * self.lessons, BEFORE * self.lessons + self.before)


def momentum(past: Past, week_of: Callable[[int], int]) -> tuple[Week, ...]:
    """The whole weeks of the span; ``week_of`` gives the first day of a day's week."""
    first = week_of(past.first + WEEK_DAYS - 1)
    counted = {week: [0, 0, 0, 0, 0] for week in range(first, past.last - WEEK_DAYS + 2, WEEK_DAYS)}
    for mine in past.learners.values():
        own = Counter(week_of(day) for day in mine.lessons.values() if day >= first - BEFORE * WEEK_DAYS)
        near = {week + ahead * WEEK_DAYS for week in own for ahead in range(BEFORE + 1)}
        for week in near & counted.keys():
            now, sums = own[week], counted[week]
            before = sum(own[week - back * WEEK_DAYS] for back in range(1, BEFORE + 1))
            sums[0] += now
            sums[1] += before
            sums[2] += 1
            sums[3] += BEFORE * now > before
            sums[4] += BEFORE * now < before
    return tuple(
        Week(week=week, lessons=sums[0], before=sums[1], learners=sums[2], rising=sums[3], falling=sums[4])
        for week, sums in counted.items()
    )
