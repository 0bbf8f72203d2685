"""The institution's days, read plainly: what tells one day, week, month, year or period from the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def duration(text: str) -> int:
    """Seconds of ``7d``."""
    return int(text[:-1]) * SECONDS[text[-1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The institution's days: its zone, when a day and a week begin, and one period, both ends included."""

    zone: str
    starts: str
    week: str
    period: tuple[date, date]

    def day(self, at: int) -> date:
        """The day of a moment in seconds UTC."""
        hours, minutes = (int(part) for part in self.starts.split(":"))
        wall = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        return (wall - timedelta(hours=hours, minutes=minutes)).date()

    def window(self, name: str, at: int) -> object | None:
        """What tells one day, week, month … from the next; None outside the period."""
        day = self.day(at)
        if name == "sem1":
            return name if self.period[0] <= day <= self.period[1] else None
        monday = day - timedelta((day.weekday() - WEEKDAYS.index(self.week)) % 7)
        found = {"day": day, "week": monday, "month": (day.year, day.month), "year": day.year, "ever": name}
        return found[name]
