"""Whether a feed that tells nothing is quieter than its own weeks let expect. Pure; integers only.

What each hour of the week usually brings is the lower median of the last weeks, so that one wild or one empty week says
nothing. What is expected while nothing comes is scaled down by how much the days before brought of their usual: a feed
that runs at a tenth, because teaching is over, is given ten times as long. Closed days count on neither side.

Of a feed that tells little (one event a week, a handful a day) no hour is usual. It is judged by its pauses alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
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
LATE_H = 1
"""What comes once a day or a week may be late or early by so much, also because clocks are changed."""
HEARD_MIN = 6
"""Hours in which a feed must have told something to have pauses of its own."""
TIMES_ITS_PAUSE = 3
"""A silence must be so many times as long as the longest pause, closed days left out, and a week at least."""


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
    last = max(counts)
    first = max(min(counts), last - WEEKS * WEEK_H)
    weeks = _Weeks(counts, first, last, wall, closed)
    # The hour that runs is not over: nothing is expected of it yet. A silence of many weeks weighs no more than these.
    silent = range(last + 1, min(this, last + WEEKS * WEEK_H))
    expected = weeks.expected(silent) or weeks.missed(silent)
    return Quiet(since=(last + 1) * HOUR_S, expected=expected) if expected else None


class _Weeks:
    """What a feed told in the weeks before its silence, and what of that is usual in each hour of the local week."""

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

    def expected(self, silent: range) -> int:
        """What these hours let expect where that is too much to be chance; else 0."""
        expected = self.of(silent[: len(silent) - LATE_H])
        expected -= min(expected, self._early(self._last))
        level, whole = self.told(self._last - BEFORE_H, self._last)
        if 0 < level < whole:
            expected = expected * level // whole
        return expected if expected >= max(EXPECTED_MIN, TIMES_ITS_LONGEST * self.longest_silence()) else 0

    def missed(self, silent: range) -> int:
        """What a feed would have told meanwhile whose silence is far longer than each of its pauses; else 0."""
        silence = self._open(silent)
        if silence < WEEK_H or self._last - self._first < WEEKS_MIN * WEEK_H:
            return 0
        heard = [hour for hour in range(self._first, self._last + 1) if self._counts.get(hour)]
        pauses = [self._open(range(before + 1, after)) for before, after in pairwise(heard)]
        if len(heard) < HEARD_MIN or silence < TIMES_ITS_PAUSE * max(pauses):
            return 0
        told = sum(self._counts[hour] for hour in heard)
        return max(1, told * silence // max(1, self._open(range(self._first, self._last + 1))))

    def _early(self, hour: int) -> int:
        """What of the next hours' usual events had come already with those of ``hour``."""
        more = self._counts.get(hour, 0) - self.of((hour,))
        return max(0, min(more, self.of(range(hour + 1, hour + 1 + LATE_H))))

    def _open(self, hours: range) -> int:
        """How many of some hours are on no closed day."""
        return sum(self._place(hour) is not None for hour in hours)

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
            running = -self._early(hour) if self._counts.get(hour) else running + self.of((hour,))
            longest = max(longest, running)
        return longest
