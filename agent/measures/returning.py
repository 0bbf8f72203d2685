"""Retention: of those who first completed a lesson in a week, how many completed another seven days later or more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from agent.measures.figures import share
from agent.measures.past import Past

AFTER_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Learners whose first lesson was in the week that begins on ``week``.

    ``learners`` had seven days since, ``returned`` of them completed a lesson on the seventh day or later;
    ``too_early`` had not.
    """

    week: int
    learners: int
    returned: int
    too_early: int

    @property
    def pct(self) -> Fraction | None:
        """Of a hundred who had the time."""
        return share(self.returned, self.learners)


def returning(past: Past, week_of: Callable[[int], int]) -> tuple[Begun, ...]:
    """By the week of the first lesson ever, where that is in the span; ``week_of`` gives the first day of a week."""
    counts: dict[int, list[int]] = {}
    for mine in past.learners.values():
        first = min(mine.lessons.values(), default=0)
        if first < past.first:
            continue
        counted = counts.setdefault(week_of(first), [0, 0, 0])
        if first + AFTER_DAYS > past.last:
            counted[2] += 1
        else:
            counted[0] += 1
            counted[1] += max(mine.lessons.values()) >= first + AFTER_DAYS
    return tuple(
        Begun(week=week, learners=learners, returned=returned, too_early=early)
        for week, (learners, returned, early) in sorted(counts.items())
    )
