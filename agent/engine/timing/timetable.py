"""The nominal times of a scheduled reward, and the span of acts that each run looks at. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from agent.config.cron import Cron
from agent.config.grammar import Window
from agent.engine.calendar import Calendar

_SHORTEST_S = 61
"""Reaches back from one time of a cron line to the one before it, where it fits every minute."""
_REPEATED_S = 3 * 3600
"""Since days are counted here, no clock was set back by more."""
_FAR = 2**37
"""Seconds: beyond it no calendar counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Acts from ``begin`` until before ``end``, in seconds UTC."""

    begin: int
    end: int


class Timetable:
    """When runs are due by name: the ends of a window (``every``), or what a cron line says.

    ``over`` is what a run looks at; None is everything since the run before. A period is looked at from its beginning
    on, as far as it is over, and for the last time by the first run after it.
    """

    __slots__ = ("_calendar", "_cron", "_every", "_over")

    def __init__(self, calendar: Calendar, *, every: str | None, cron: Cron | None, over: Window | None) -> None:
        self._calendar = calendar
        self._every = every
        self._cron = cron
        self._over = over

    def after(self, at: int) -> int | None:
        """The first nominal time after ``at`` (seconds UTC); None where there is none any more."""
        if self._over is None or self._over.kind != "period":
            return self._following(at)
        begin, end = self._calendar.whole(self._over.name)
        found, last = self._following(max(at, begin)), self._following(end - 1)
        return None if found is None or (last is not None and found > last) else found

    def _following(self, at: int) -> int | None:
        if self._every is not None:
            return self._ends_after(self._every, at)
        wall = self._calendar.wall(at)
        while self._cron is not None and (found := self._cron.after(wall)) is not None:
            # An hour that the clock skips or repeats makes two times on the wall one, or an earlier one.
            if (nominal := self._calendar.at(found)) > at:
                return nominal
            wall = found
        return None

    def _ends_after(self, every: str, at: int) -> int | None:
        """The first end of a window after ``at``; None where it is a period that is over.

        Where the clock repeats the hour in which a day begins, the day before comes back for a while after it ended.
        """
        for later in (0, _REPEATED_S):
            end = self._calendar.ends(every, at + later)
            if end is None or end > at:
                return end
        return None

    def span(self, nominal: int) -> Span:
        """What the run of this nominal time looks at."""
        if self._over is None:
            return Span(begin=self._before(nominal), end=nominal)
        if self._over.kind == "rolling":
            return Span(begin=nominal - self._over.seconds, end=nominal)
        if self._over.name == "ever":
            return Span(begin=0, end=nominal)
        name, calendar = self._over.name, self._calendar
        if self._over.kind == "period":
            begin, end = calendar.whole(name)
            return Span(begin=begin, end=max(begin, min(end, nominal)))
        begin = calendar.began(name, nominal - 1)
        end = calendar.ends(name, nominal - 1) or nominal
        if end > nominal:
            return Span(begin=calendar.began(name, begin - 1), end=begin)
        return Span(begin=begin, end=end)

    def _before(self, nominal: int) -> int:
        """Where the window of this nominal time began, or the nominal time before it."""
        if self._every is not None:
            return self._calendar.began(self._every, nominal - 1)
        reach = _SHORTEST_S
        while reach < _FAR:
            first = self._following(max(0, nominal - int(reach)))
            if first is not None and first < nominal:
                return self._last(first, nominal)
            if reach > nominal:
                break
            reach *= 4
        return 0

    def _last(self, first: int, nominal: int) -> int:
        while (following := self._following(first)) is not None and following < nominal:
            first = following
        return first


def run_name(scheduled: str, nominal: int) -> str:
    """What a run is called: `week-champion@2026-09-13T22:00:00Z`."""
    return f"{scheduled}@{utc(nominal)}"


def utc(at: int) -> str:
    """`2026-09-13T22:00:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
