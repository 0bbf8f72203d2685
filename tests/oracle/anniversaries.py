"""A plain reading of anniversaries: whole years since the first act that was known when they were decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.oracle.days import Days

SETTLED_S = 36 * 3600


class Begun(NamedTuple):
    """An act in seconds UTC, and the moment from which on it is known."""

    at: int
    known: int


def years(acts: Sequence[Begun], wanted: Sequence[int], every: str, days: Days, looks: Sequence[int]) -> list[int]:
    """When the windows end whose runs pay somebody with these acts, where it is decided at the given moments."""
    paid: dict[int, int] = {}
    done = 0
    for look in looks:
        known = [act.at for act in acts if act.known <= look]
        if known:
            began = days.day(min(known))
            for number in wanted or range(1, 30):
                end = _end(starts(_moved(began, number), days), every, days)
                if done < end + SETTLED_S <= look and number not in paid:
                    paid[number] = end
        done = look
    return sorted(paid.values())


def _moved(day: date, years: int) -> date:
    """That many years later; who began on 29 February has it on the 28th where there is no 29th."""
    if (day.month, day.day) == (2, 29) and not _leap(day.year + years):
        return date(day.year + years, 2, 28)
    return date(day.year + years, day.month, day.day)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def starts(day: date, days: Days) -> int:
    """The first second of a day."""
    hours, minutes = (int(part) for part in days.starts.split(":"))
    wall = datetime(day.year, day.month, day.day, hours, minutes)  # noqa: DTZ001 - of the zone's wall
    near = int(wall.replace(tzinfo=ZoneInfo(days.zone)).timestamp())
    return next(at for at in range(near - 3 * 3600, near + 3 * 3600, 60) if days.day(at) == day)


def _end(at: int, every: str, days: Days) -> int:
    """The first second after the window that a moment is in."""
    mine, later = days.window(every, at), at
    while days.window(every, later) == mine:
        later += 43_200
    inside = later - 43_200
    while later - inside > 1:
        middle = (inside + later) // 2
        inside, later = (middle, later) if days.window(every, middle) == mine else (inside, middle)
    return later


def around_a_leap_day(year: int) -> date:
    """The 29th of February, or the day before March."""
    return date(year, 3, 1) - timedelta(1)
