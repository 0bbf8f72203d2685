"""Streaks: how often a set of days makes so many days, weeks or months, in a row or within a window.

What is counted is the largest number of separate stretches that are long enough, each stretch reaching from its first
to its last day or week with no more missed ones than are forgiven. Another member never lowers that number and raises
it by one at most: so a late event pays what it would have paid in time, and never twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from agent.config.grammar import CALENDAR_WINDOWS
from agent.config.rulefile.earning import Streak, StreakUnit
from agent.engine.calendar import Calendar, Moment
from agent.engine.earning.sets import Due, Form, Members
from agent.model import Observation

Days = tuple[tuple[date, date], ...]
"""Spans of days, both included."""


class _Run(NamedTuple):
    """A way through the days so far: missed ones forgiven in the window under way, and the stretch not yet done."""

    forgiven: int
    length: int


class StreakCount:
    """The counting of one streak; ``weekdays`` (None: all) and ``closed`` say which days can count at all."""

    def __init__(self, spec: Streak, calendar: Calendar, closed: Days, weekdays: frozenset[int] | None) -> None:
        self._spec = spec
        self._unit: StreakUnit = spec.unit
        self._length = spec.length
        self._forgiven = spec.forgiven
        self._calendar = calendar
        self._closed = closed
        self._weekdays = weekdays
        self._whole = spec.each.days == 1

    def slot(self, _seen: Observation, moment: Moment) -> int | str:
        """The day, or the first day of the week or month, where a single act makes that count."""
        day = moment.date
        if self._is_closed(day):
            return "closed day"
        return (self._calendar.first(self._unit, day) if self._whole else day).toordinal()

    def due(self, members: Members, _slot: int) -> Due:
        """How many streaks these members make."""
        units = self._units(members)
        if self._spec.in_ is not None:
            count, rest = divmod(len(units), self._length)
        else:
            count, rest = self._in_a_row([date.fromordinal(unit) for unit in units])
        if not self._spec.repeat:
            count, rest = min(count, 1), rest if not count else self._length
        return Due(count, f"streak {rest} of {self._length} {self._unit}s")

    def _units(self, members: Members) -> Sequence[int]:
        """The days, weeks or months that count, by their first day, in order."""
        if self._whole:
            return sorted(members)
        starts = Counter(self._calendar.first(self._unit, date.fromordinal(slot)).toordinal() for slot in members)
        return sorted(start for start, days in starts.items() if days >= self._spec.each.days)

    def _in_a_row(self, units: list[date]) -> tuple[int, int]:
        """How many stretches there are at most, and how long the one under way is."""
        best = {_Run(0, 0): 0}
        window: str | None = None
        for unit, there in self._walk(units):
            now = self._window(unit)
            if now != window:
                best, window = _merged((_Run(0, run.length), count) for run, count in best.items()), now
            best = _merged(self._step(best.items(), there=there, forgiven=0 if now is None else self._forgiven))
        count = max(best.values())
        return count, max(run.length for run, found in best.items() if found == count)

    def _step(self, runs: Iterable[tuple[_Run, int]], *, there: bool, forgiven: int) -> Iterable[tuple[_Run, int]]:
        for run, count in runs:
            if there:
                length = run.length + 1
                full = length == self._length
                yield _Run(run.forgiven, 0 if full else length), count + full
                continue
            yield _Run(run.forgiven, 0), count
            if run.length and run.forgiven < forgiven:
                yield _Run(run.forgiven + 1, run.length), count

    def _walk(self, units: list[date]) -> Iterable[tuple[date, bool]]:
        """Every unit from the first to the last, and whether it counts; those that could not count are left out."""
        there = set(units)
        unit = units[0] if units else date.max
        while units and unit <= units[-1]:
            if unit in there:
                yield unit, True
            elif self._could_count(unit):
                yield unit, False
            unit = self._calendar.following(self._unit, unit)

    def _could_count(self, unit: date) -> bool:
        end = self._calendar.following(self._unit, unit)
        days = (date.fromordinal(n) for n in range(unit.toordinal(), end.toordinal()))
        return sum(not self._is_closed(day) for day in days) >= self._spec.each.days

    def _is_closed(self, day: date) -> bool:
        if self._weekdays is not None and day.weekday() not in self._weekdays:
            return True
        return any(first <= day <= last for first, last in self._closed)

    def _window(self, unit: date) -> str | None:
        """The window in which missed units are forgiven; None where there is none."""
        if self._spec.forgive is None:
            return None
        return self._calendar.on(unit).windows.get(self._spec.forgive.per)


def _merged(runs: Iterable[tuple[_Run, int]]) -> dict[_Run, int]:
    """The most stretches for each way to stand."""
    best: dict[_Run, int] = {}
    for run, count in runs:
        best[run] = max(best.get(run, 0), count)
    return best


def form(spec: Streak, rule_id: str, calendar: Calendar, closed: Days, weekdays: frozenset[int] | None) -> Form:
    """A streak as a form of earning."""
    counting = StreakCount(spec, calendar, closed, weekdays)
    whole = spec.unit if spec.each.days == 1 else "day"
    return Form(
        meter=f"{whole}s:{rule_id}",
        slot=counting.slot,
        due=counting.due,
        said=_said(spec),
        scope=(spec.in_ or "ever",),
        often="Pays for each such streak." if spec.repeat else "",
        repeats=spec.repeat,
    )


def _said(spec: Streak) -> str:
    each = f" with acts on {spec.each.days} days each" if spec.each.days > 1 else ""
    where = "in a row" if spec.in_ is None else f"within {'one ' if spec.in_ in CALENDAR_WINDOWS else ''}{spec.in_}"
    where = "in all" if spec.in_ == "ever" else where
    said = f"Needs {spec.length} {spec.unit}s{each} {where}"
    if spec.forgive is not None:
        said += f"; {spec.forgiven} missed in each {spec.forgive.per} do no harm"
    return f"{said}."
