"""What can be wrong with a time, and which time it is. Pure; every problem names the remedy."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from agent.collectors.csvfile.cells import Problem
from agent.collectors.systems.base import AHEAD_MAX_S, TIME_MAX, from_iso

EARLIEST = 946_684_800
"""2000-01-01: what is older is no learning event of ours."""
_SHEET_DAYS = range(20_000, 80_000)
"""Days since 1899-12-30, as spreadsheets keep dates: 1954 to 2119."""
_SECONDS = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,19}\.[0-9]{1,30}")
_LONGEST = 40
"""Characters of a time at most, as anybody writes one."""
_FINER = ((10**17, "nanoseconds", 10**9), (10**14, "microseconds", 10**6), (TIME_MAX, "milliseconds", 1_000))
"""What a number above the first of these counts, and how many of it are a second."""


def moment(cell: str, *, now: int, zone: ZoneInfo | None) -> int | Problem:
    """Seconds since 1970, from whole seconds or ISO 8601; without a zone of its own it is in ``zone``."""
    if not cell:
        return Problem("the time is empty", "every row needs one")
    if _SECONDS.fullmatch(cell):
        return _in_range(int(cell), now)
    if _NUMBER.fullmatch(cell):
        return _of_a_sheet(float(cell))
    try:
        found = from_iso(cell if len(cell) <= _LONGEST else "")
    except ValueError:
        return Problem("this is not a time", "write seconds since 1970, or 2026-09-01T09:00:00+02:00")
    if found.tzinfo is None:
        if zone is None:
            return Problem("the time does not say of which zone it is", "say it for all rows: --timezone Europe/London")
        found = found.replace(tzinfo=zone)
    return _in_range(int(found.timestamp()), now)


def _in_range(seconds: int, now: int) -> int | Problem:
    if EARLIEST <= seconds <= now + AHEAD_MAX_S:
        return seconds
    for beyond, called, per_second in _FINER:
        if seconds > beyond:
            return Problem(f"the time is in {called}", f"divide the column by {per_second} and round it")
    if seconds in _SHEET_DAYS:
        return _of_a_sheet(float(seconds))
    if seconds < EARLIEST:
        return Problem("the time is before 2000", "check the column")
    return Problem("the time is in the future", "check the column and its time zone")


def _of_a_sheet(days: float) -> Problem:
    if int(days) in _SHEET_DAYS:
        return Problem("this is a spreadsheet's own date", "make it seconds: =ROUND((A2-DATE(1970,1,1))*86400,0), UTC")
    return Problem("the time is not a whole number of seconds", "round the column")
