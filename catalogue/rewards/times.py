"""Moments, windows and periods of rewards. Pure."""

from __future__ import annotations

import datetime as dt
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799
"""The first and the last second, UTC, that a calendar of four digits has."""


class When(Protocol):
    """What a window says."""

    @property
    def days(self) -> tuple[str, ...]:
        """The days it is open on; none is all."""
        ...

    @property
    def hours(self) -> str:
        """From and until, the end excluded; may cross midnight. Nothing is the whole day."""
        ...

    @property
    def timezone(self) -> str:
        """Where days and hours are counted."""
        ...


def moment(value: Any) -> int | None:
    """Seconds UTC of an ISO 8601 time with its zone, or of seconds; nothing is None.

    Raises:
        ValueError: it is neither, or of no year from 1 to 9999.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        if bounded(value) != value:
            raise ValueError("that many seconds since 1970 are beyond the year 9999: are they milliseconds?")
        return value
    if not isinstance(value, str):
        raise ValueError("a time is written as 2026-09-01T00:00:00Z")  # noqa: TRY004 - pydantic takes no other
    try:
        found = dt.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no time, such as 2026-09-01T00:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError(f"{value!r} does not say its time zone: end it with Z or +02:00")
    return bounded(int(found.timestamp()))


def bounded(at: int) -> int:
    """A moment, or the nearest that a calendar has."""
    return min(max(at, EARLIEST), LATEST)


def zone_name(value: Any) -> str:
    """The name of a time zone.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return ZoneInfo(str(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone, such as Europe/London") from None


def is_open(window: When, at: int) -> bool:
    """Whether a window is open at a moment. Hours that cross midnight belong to the day they begin on."""
    local = dt.datetime.fromtimestamp(at, tz=ZoneInfo(window.timezone))
    if not window.hours:
        return not window.days or DAYS[local.weekday()] in window.days
    begin, _, end = window.hours.partition("-")
    clock = local.strftime("%H:%M")
    if begin < end:
        inside, day = begin <= clock < end, local
    else:
        inside, day = clock >= begin or clock < end, local if clock >= begin else local - dt.timedelta(days=1)
    return inside and (not window.days or DAYS[day.weekday()] in window.days)


def period_start(per: str, timezone: str, at: int) -> int:
    """When the day, week, month or year began that a moment is in; 0 for ever."""
    if per == "ever":
        return 0
    local = dt.datetime.fromtimestamp(at, tz=ZoneInfo(timezone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match per:
        case "week":
            begin = midnight - dt.timedelta(days=midnight.weekday())
        case "month":
            begin = midnight.replace(day=1)
        case "year":
            begin = midnight.replace(month=1, day=1)
        case _:
            begin = midnight
    return int(begin.timestamp())
