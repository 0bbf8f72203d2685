"""A plain reading of momentum: of all ways to part what somebody did into bursts, the one that pays most."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from tests.oracle.days import Days


class Done(NamedTuple):
    """Somebody completed a lesson, at a time in seconds UTC."""

    at: int
    lesson: str


class Burst(NamedTuple):
    """So many different lessons within so many seconds; ``often`` is whether a day may have several."""

    lessons: int
    within: int
    often: bool


def awards(burst: Burst, acts: Sequence[Done], days: Days) -> int:
    """How often one learner is paid for all their acts; at the turn of the year it begins anew."""
    years: dict[object, list[Done]] = {}
    for act in sorted(acts):
        years.setdefault(days.window("year", act.at), []).append(act)
    return sum(_most(burst, tuple(inside), days) for inside in years.values())


def _most(burst: Burst, acts: tuple[Done, ...], days: Days) -> int:
    """The largest number of stretches one after the other that are bursts, of which no two end on one day."""

    @cache
    def best(start: int, paid_on: object) -> int:
        found = 0
        for first in range(start, len(acts)):
            for last in range(first, len(acts)):
                day = None if burst.often else days.day(acts[last].at)
                if day is not None and day == paid_on:
                    continue
                if _is_one(burst, acts[first : last + 1]):
                    found = max(found, 1 + best(last + 1, day))
        return found

    return best(0, None)


def _is_one(burst: Burst, acts: Sequence[Done]) -> bool:
    near = acts[-1].at - acts[0].at < burst.within
    return near and len({act.lesson for act in acts}) >= burst.lessons
