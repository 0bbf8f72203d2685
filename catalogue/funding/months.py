"""Months and days as a campus counts them. Pure."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from catalogue.rewards import times

DAY_S = 86_400
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def month_of(at: int, timezone: str) -> str:
    """The month, such as 2026-09, that a moment (seconds UTC) is in."""
    return _local(at, timezone).strftime("%Y-%m")


def day_of(at: int, timezone: str) -> str:
    """The day, such as 2026-09-01, that a moment is in."""
    return _local(at, timezone).strftime("%Y-%m-%d")


def next_day(day: str) -> str:
    """The day after a day."""
    return (dt.date.fromisoformat(day) + dt.timedelta(days=1)).isoformat()


def day_start(at: int, timezone: str, *, back: int = 0) -> int:
    """When the day began that a moment is in, or the one ``back`` days before it; not every day has 24 hours."""
    midnight = _local(at, timezone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return int((midnight - dt.timedelta(days=back)).timestamp())


def start(month: str, timezone: str) -> int:
    """When a month begins, in seconds UTC.

    Raises:
        ValueError: it is no month.
    """
    if not _MONTH.fullmatch(month):
        raise ValueError(f"{month!r} is no month, such as 2026-09")
    return int(dt.datetime(int(month[:4]), int(month[5:]), 1, tzinfo=ZoneInfo(timezone)).timestamp())


def after(month: str) -> str:
    """The next month."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def end(month: str, timezone: str) -> int:
    """When a month is over: the first second of the next.

    Raises:
        ValueError: it is no month.
    """
    start(month, timezone)
    return start(after(month), timezone)


def _local(at: int, timezone: str) -> dt.datetime:
    # A day from the ends of the calendar, where no zone leads out of it.
    return dt.datetime.fromtimestamp(min(max(at, times.EARLIEST + DAY_S), times.LATEST - DAY_S), tz=ZoneInfo(timezone))
