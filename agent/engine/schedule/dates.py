"""What is decided from a first or a last act: anniversaries and absence. Pure."""

from __future__ import annotations

from datetime import date

from agent.engine.calendar import Calendar
from agent.engine.timing.timetable import Span


def anniversary(first: int, span: Span, years: tuple[int, ...], calendar: Calendar) -> int:
    """How many whole years (1 or more) since the day of ``first`` are over on a day that begins in ``span``; else 0.

    Who began on 29 February has it on the 28th where there is no 29th.
    """
    began = calendar.day(first)
    for year in range(calendar.day(span.begin).year - began.year, calendar.day(span.end).year - began.year + 1):
        if year > 0 and (not years or year in years) and span.begin <= calendar.starts(_moved(began, year)) < span.end:
            return year
    return 0


def _moved(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def lapsed(last: int, away_s: int, span: Span) -> bool:
    """Whether the absence after ``last`` became ``away_s`` long in ``span``: so that each absence is told once."""
    return span.begin <= last + away_s < span.end
