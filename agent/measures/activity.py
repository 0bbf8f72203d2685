"""Who was active on each day, and how many lessons were completed: by day, and for all days together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from agent.measures.figures import ratio
from agent.measures.past import Past


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day: how many ``learners`` did something themselves, and how many ``lessons`` were completed."""

    day: int
    learners: int
    lessons: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The days of a span: ``learners`` were active on some of them, and completed so many ``lessons``."""

    days: tuple[Day, ...]
    learners: int
    lessons: int

    @property
    def visits(self) -> int:
        """Active learners of all days together."""
        return sum(one.learners for one in self.days)

    @property
    def busiest(self) -> int:
        """The active learners of the day that had most."""
        return max((one.learners for one in self.days), default=0)

    @property
    def daily(self) -> Fraction | None:
        """Daily active learners, on the average of all days."""
        return ratio(self.visits, len(self.days))

    @property
    def lessons_a_visit(self) -> Fraction | None:
        """Lessons for each active learner and day."""
        return ratio(self.lessons, self.visits)


def activity(past: Past) -> Activity:
    """The activity of the span. A lesson counts on the day on which its learner first completed it."""
    active: Counter[int] = Counter()
    lessons: Counter[int] = Counter()
    learners = 0
    for mine in past.learners.values():
        learners += mine.days > 0
        bits = mine.days
        while bits:
            lowest = bits & -bits
            active[past.first + lowest.bit_length() - 1] += 1
            bits ^= lowest
        lessons.update(day for day in mine.lessons.values() if past.first <= day)
    days = tuple(Day(day=day, learners=active[day], lessons=lessons[day]) for day in range(past.first, past.last + 1))
    return Activity(days=days, learners=learners, lessons=lessons.total())


def weekly(past: Past, week_of: Callable[[int], int]) -> dict[int, int]:
    """How many learners were active in each week of which a day is in the span, by its first day."""
    weeks: dict[int, int] = {}
    for number, day in enumerate(range(past.first, past.last + 1)):
        weeks[week_of(day)] = weeks.get(week_of(day), 0) | 1 << number
    counts: Counter[int] = Counter()
    for mine in past.learners.values():
        counts.update(week for week, bits in weeks.items() if mine.days & bits)
    return {week: counts[week] for week in weeks}
