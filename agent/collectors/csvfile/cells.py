"""What can be wrong with one cell, and what to do about it. Pure; every check names the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from agent.collectors.systems.base import AHEAD_MAX_S, TIME_MAX

EARLIEST = 946_684_800
"""2000-01-01: what is older is no learning event of ours."""
_SHEET_DAYS = range(20_000, 80_000)
"""Days since 1899-12-30, as spreadsheets keep dates: 1954 to 2119."""
_ID_MAX = 200
_NAME_MAX = 200
_MAIL = re.compile(r"[^@\s]+@[^@\s]+")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:[a-z]{2,24}|xn--[a-z0-9-]{1,59})", re.IGNORECASE)
_KIND = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_NOT_A_NAME = re.compile(r"[0-9@#$%^*_=+<>{}\[\]|\\/~]")
_EMOJI = re.compile("[\u2600-\u27bf\U0001f000-\U0010ffff]")
_YES = frozenset({"1", "true", "yes", "y", "x", "agreed", "accepted"})
_NO = frozenset({"0", "false", "no", "n", "", "declined"})


class Problem(NamedTuple):
    """What is wrong, and what to do."""

    told: str
    remedy: str


Check = Callable[[str], Problem | None]


def name(cell: str) -> Problem | None:
    """A person's name."""
    if not cell:
        return Problem("the name is empty", "fill it in, or leave the column out")
    if len(cell) > _NAME_MAX:
        return Problem(f"the name is longer than {_NAME_MAX} characters", "check that the columns have not shifted")
    if _NOT_A_NAME.search(cell):
        return Problem("the name holds digits or signs", "check that the columns have not shifted")
    if _EMOJI.search(cell):
        return Problem("the name holds an emoji", "take it out")
    if len(cell) > len("Ann") and cell.isupper() and cell.isascii():
        return Problem("the name is all capitals", "write it as the person does")
    return None


def mail(cell: str) -> Problem | None:
    """An e-mail address."""
    if not cell:
        return Problem("the e-mail address is empty", "fill it in, or leave the column out")
    if any(sign.isspace() for sign in cell):
        return Problem("the e-mail address holds a space", "take it out")
    count = cell.count("@")
    if count != 1:
        return Problem(
            "the e-mail address has no @" if not count else f"the e-mail address has {count} @", "correct it"
        )
    domain = cell.rpartition("@")[2]
    if not _MAIL.fullmatch(cell) or not _DOMAIN.fullmatch(domain):
        return Problem("the e-mail address has no valid domain", "correct what stands behind the @")
    if domain != domain.lower():
        return Problem("the domain of the e-mail address has capitals", "write it in small letters")
    return None


def user(cell: str) -> Problem | None:
    """A learner's id in the sending system."""
    if not cell:
        return Problem("the learner's id is empty", "every row needs one")
    if len(cell) > _ID_MAX:
        return Problem(f"the id is longer than {_ID_MAX} characters", "check that the columns have not shifted")
    if re.fullmatch(r"\d(?:\.\d+)?E\+\d+", cell):
        return Problem("a spreadsheet has rounded this id", "format the column as text and export it again")
    return None


def identifier(cell: str) -> Problem | None:
    """An id that may be left out."""
    return user(cell) if cell else None


def kind(cell: str) -> Problem | None:
    """The kind of event."""
    if not cell:
        return Problem("the event is empty", "write its kind, such as lesson.completed")
    if not _KIND.fullmatch(cell):
        return Problem("this is no kind of event", "write it as lesson.completed; see: rewards-agent rules facts")
    return None


def number(cell: str) -> Problem | None:
    """A number that may be left out."""
    if cell and not _NUMBER.fullmatch(cell):
        comma = "write a point instead of the comma" if re.fullmatch(r"-?\d+,\d+", cell) else "write digits only"
        return Problem("this is not a number", comma)
    return None


def per_cent(cell: str) -> Problem | None:
    """A share of a hundred that may be left out."""
    wrong = number(cell)
    if wrong is None and cell and not 0 <= float(cell) <= 100:  # noqa: PLR2004 - a hundred per cent
        return Problem("this is no percentage", "write a number from 0 to 100")
    return wrong


def consent(cell: str) -> Problem | None:
    """Whether the learner has agreed."""
    word = cell.lower()
    if word in _YES:
        return None
    if word in _NO:
        return Problem("the learner has not agreed", "leave the row out until they have")
    return Problem("this is neither yes nor no", "write yes or no")


def moment(cell: str, *, now: int, zone: ZoneInfo | None) -> int | Problem:
    """Seconds since 1970, from whole seconds or ISO 8601; without a zone of its own it is in ``zone``."""
    if not cell:
        return Problem("the time is empty", "every row needs one")
    if cell.lstrip("-").isascii() and cell.lstrip("-").isdigit():
        return _in_range(int(cell), now)
    if _NUMBER.fullmatch(cell):
        return _of_a_sheet(float(cell))
    try:
        found = datetime.fromisoformat(cell)
    except ValueError:
        return Problem("this is not a time", "write seconds since 1970, or 2026-09-01T09:00:00+02:00")
    if found.tzinfo is None:
        if zone is None:
            return Problem("the time does not say of which zone it is", "say it for all rows: --timezone Europe/London")
        found = found.replace(tzinfo=zone)
    return _in_range(int(found.timestamp()), now)


def _in_range(seconds: int, now: int) -> int | Problem:
    if seconds > TIME_MAX:
        return Problem("the time is in milliseconds", "divide the column by 1000 and round it")
    if seconds in _SHEET_DAYS:
        return _of_a_sheet(float(seconds))
    if seconds < EARLIEST:
        return Problem("the time is before 2000", "check the column")
    if seconds > now + AHEAD_MAX_S:
        return Problem("the time is in the future", "check the column and its time zone")
    return seconds


def _of_a_sheet(days: float) -> Problem:
    if int(days) in _SHEET_DAYS:
        return Problem("this is a spreadsheet's own date", "make it seconds: =ROUND((A2-DATE(1970,1,1))*86400,0), UTC")
    return Problem("the time is not a whole number of seconds", "round the column")
