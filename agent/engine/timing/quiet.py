"""Whether a feed that tells nothing is quieter than its own weeks let expect. Pure; integers only.

What each hour of the week usually brings is the lower median of the last weeks, so that one wild or one empty week says
nothing. What is expected while nothing comes is scaled down by how much the days before brought of their usual: a feed
that runs at a tenth, because teaching is over, is given ten times as long. Closed days count on neither side.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median_low

HOUR_S = 3_600
WEEK_H = 168
WEEKS = 8
"""Weeks that are looked back on, and kept."""
WEEKS_MIN = 3
"""Weeks that a feed must have been there for."""
EXPECTED_MIN = 20
"""Events that must be missing: with fewer, silence may be chance."""
BEFORE_H = 72
"""Hours before the silence that say at which level the feed runs now."""
TIMES_ITS_LONGEST = 2
"""A silence must be so many times as weighty as the weightiest that ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A feed gone quiet: since when (seconds UTC), and how many events its weeks let expect since then."""

    since: int
    expected: int


def quiet(
    hours: Mapping[int, int], now: int, *, wall: Callable[[int], datetime], closed: Callable[[date], bool]
) -> Quiet | None:
    """Judge a feed by its counts; None where nothing is wrong or too little is known.

    ``hours``: hours since 1970 (UTC) → events that happened in it, of the last `WEEKS`; ``now`` seconds UTC;
    ``wall`` the institution's clock; ``closed`` whether a day is one that does not count.
    """
    counts = {hour: count for hour, count in hours.items() if count > 0 and hour * HOUR_S <= now}
    this = now // HOUR_S
    if not counts or this - min(counts) < WEEKS_MIN * WEEK_H:
        return None
    first, last = max(min(counts), this - WEEKS * WEEK_H), max(counts)
    usual = _Usual(counts, first, last, wall, closed)
    level, whole = usual.told(last - BEFORE_H, last)
    # The hour that runs is not over: nothing is expected of it yet.
    expected = usual.of(range(last + 1, this))
    if whole and level < whole:
        expected = expected * level // whole
    if expected < max(EXPECTED_MIN, TIMES_ITS_LONGEST * usual.longest_silence()):
        return None
    return Quiet(since=(last + 1) * HOUR_S, expected=expected)


class _Usual:
    """What is usual in each hour of the local week, from the weeks before the silence."""

    def __init__(
        self,
        counts: Mapping[int, int],
        first: int,
        last: int,
        wall: Callable[[int], datetime],
        closed: Callable[[date], bool],
    ) -> None:
        self._counts, self._first, self._last, self._wall, self._closed = counts, first, last, wall, closed
        found: dict[int, list[int]] = {}
        for hour in range(first, last + 1):
            place = self._place(hour)
            if place is not None:
                found.setdefault(place, []).append(counts.get(hour, 0))
        self._usual = {place: median_low(each) for place, each in found.items() if len(each) >= WEEKS_MIN}

    def _place(self, hour: int) -> int | None:
        """The hour of the local week, Monday's first is 0; None on closed days."""
        local = self._wall(hour * HOUR_S)
        return None if self._closed(local.date()) else local.weekday() * 24 + local.hour

    def of(self, hours: Collection[int]) -> int:
        """What some hours usually bring."""
        places = (self._place(hour) for hour in hours)
        return sum(self._usual.get(place, 0) for place in places if place is not None)

    def told(self, begin: int, end: int) -> tuple[int, int]:
        """What a stretch of hours brought, closed days left out, and what it usually brings."""
        hours = [hour for hour in range(max(begin, self._first), end) if self._place(hour) is not None]
        return sum(self._counts.get(hour, 0) for hour in hours), self.of(hours)

    def longest_silence(self) -> int:
        """The most that was missing in any silence that ended by itself."""
        longest = running = 0
        for hour in range(self._first, self._last + 1):
            running = 0 if self._counts.get(hour) else running + self.of((hour,))
            longest = max(longest, running)
        return longest
