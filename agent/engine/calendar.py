"""Which day, week, month, year and periods a moment belongs to, by the institution's wall clock.

A day is the date of (local wall clock − `day_starts_at`), subtracted on the wall clock: subtracting on the absolute
time axis is a day off in the night of a clock change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_SLOT_S = 900
"""Every zone's clock has changed on a quarter of an hour since 1972, so moments are remembered by the quarter."""

_SLOTS_MAX = 20_000

_WINDOWS = frozenset({"day", "week", "month", "year"})

_FIRST, _LAST = date(1900, 1, 1), date(9998, 12, 31)
"""Who writes 0001-01-01 or 9999-12-31 means always: days beyond these are these, for what a clock cannot count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The windows a point in time falls into.

    ``windows`` is their buckets by name: `day` → `2026-09-07`, `week` → `W2026-09-07` (its first day), `month` →
    `2026-09`, `year` → `2026`, `ever` → empty, and each named period that contains the day → its name. ``date`` is
    the day and ``weekday`` its number, 0 for monday.
    """

    windows: Mapping[str, str]
    date: date
    weekday: int


class Calendar:
    """One institution's calendar: its zone, when its day and week begin, its named periods (both days included)."""

    __slots__ = ("_day_starts_at", "_days", "_ends", "_moments", "_periods", "_week_starts_on", "_zone")

    def __init__(
        self,
        zone: ZoneInfo,
        *,
        day_starts_at: int = 0,
        week_starts_on: int = 0,
        periods: Mapping[str, tuple[date, date]] | None = None,
    ) -> None:
        self._zone = zone
        self._day_starts_at = timedelta(seconds=day_starts_at)
        self._week_starts_on = week_starts_on
        self._periods = {name: (_told(first), _told(last)) for name, (first, last) in (periods or {}).items()}
        self._moments: dict[int, Moment | None] = {}
        self._days: dict[date, Moment] = {}
        self._ends: dict[tuple[str, date], int] = {}

    @property
    def periods(self) -> Mapping[str, tuple[date, date]]:
        """The first and the last day of each named period."""
        return self._periods

    def wall(self, at: int) -> datetime:
        """The local wall clock at ``at`` (seconds UTC), without a zone."""
        return datetime.fromtimestamp(at, self._zone).replace(tzinfo=None)

    def time_of_day(self, at: int) -> int:
        """Seconds after local midnight on the wall clock."""
        wall = self.wall(at)
        return wall.hour * 3600 + wall.minute * 60 + wall.second

    def day(self, at: int) -> date:
        """The institution's day."""
        return (self.wall(at) - self._day_starts_at).date()

    def moment(self, at: int) -> Moment:
        """The windows ``at`` (seconds UTC) falls into."""
        slot = at // _SLOT_S
        try:
            found = self._moments[slot]
        except KeyError:
            found = self._remember(slot)
        return found if found is not None else self._of(self.day(at))

    def _remember(self, slot: int) -> Moment | None:
        """The moment of a whole quarter of an hour, or None where a day begins inside it."""
        first, last = self.day(slot * _SLOT_S), self.day(slot * _SLOT_S + _SLOT_S - 1)
        if len(self._moments) >= _SLOTS_MAX:
            self._moments.clear()
            self._days.clear()
            self._ends.clear()
        self._moments[slot] = self._of(first) if first == last else None
        return self._moments[slot]

    def on(self, day: date) -> Moment:
        """The windows of a whole day."""
        return self._of(day)

    def first(self, name: str, day: date) -> date:
        """The first day of the day, week or month that ``day`` is in."""
        return self._week(day) if name == "week" else day.replace(day=1) if name == "month" else day

    def following(self, name: str, day: date) -> date:
        """The first day after the day, week, month, year or period that ``day`` is in."""
        return self._following(name, day)

    def _of(self, day: date) -> Moment:
        if day not in self._days:
            self._days[day] = self._made(day)
        return self._days[day]

    def _made(self, day: date) -> Moment:
        iso = day.isoformat()
        named = {name: name for name, (first, last) in self._periods.items() if first <= day <= last}
        windows = {"day": iso, "week": f"W{self._week(day).isoformat()}", "month": iso[:7], "year": iso[:4], "ever": ""}
        return Moment(windows=named | windows, date=day, weekday=day.weekday())

    def _week(self, day: date) -> date:
        return day - timedelta(days=(day.weekday() - self._week_starts_on) % 7)

    def starts(self, day: date) -> int:
        """When a day begins, in seconds UTC (where the clock repeats that hour, the first time).

        Where the clock leaves that time out, the day begins as it jumps: between what the two offsets make of it.
        """
        wall = datetime.combine(_told(day), time()) + self._day_starts_at
        begins = int(wall.replace(tzinfo=self._zone).timestamp())
        if self.wall(begins) == wall:
            return begins
        before = int(wall.replace(tzinfo=self._zone, fold=1).timestamp())
        while begins - before > 1:
            middle = (before + begins) // 2
            before, begins = (before, middle) if self.wall(middle) >= wall else (middle, begins)
        return begins

    def over(self, day: date) -> int:
        """When a day is over, in seconds UTC."""
        return self.starts(_told(day) + timedelta(days=1))

    def ends(self, name: str, at: int) -> int | None:
        """When the calendar window or period around ``at`` is over, in seconds UTC; None for `ever`.

        None too for a period that is not in the rules any more: nobody can say when it is over.
        """
        if name not in _WINDOWS and name not in self._periods:
            return None
        key = (name, self.moment(at).date)
        if key not in self._ends:
            self._ends[key] = self.starts(self._following(*key))
        return self._ends[key]

    def began(self, name: str, at: int) -> int:
        """When the calendar window around ``at``, or the named period, began, in seconds UTC; 0 for `ever`."""
        if name == "ever":
            return 0
        if name in self._periods:
            return self.starts(self._periods[name][0])
        day = self.moment(at).date
        return self.starts(day.replace(month=1, day=1) if name == "year" else self.first(name, day))

    def whole(self, period: str) -> tuple[int, int]:
        """When a named period begins, and when it is over, in seconds UTC."""
        first, last = self._periods[period]
        return self.starts(first), self.over(last)

    def _following(self, name: str, day: date) -> date:
        match name:
            case "day":
                return day + timedelta(days=1)
            case "week":
                return self._week(day) + timedelta(days=7)
            case "month":
                return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            case "year":
                return date(day.year + 1, 1, 1)
        return self._periods[name][1] + timedelta(days=1)

    def at(self, wall: datetime) -> int:
        """Seconds UTC of a wall clock time, or of a time that brings its own offset."""
        return int((wall if wall.tzinfo else wall.replace(tzinfo=self._zone)).timestamp())


def _told(day: date) -> date:
    """The day, or the nearest that a clock can count."""
    return min(max(day, _FIRST), _LAST)
