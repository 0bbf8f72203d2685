"""What can be wrong with one cell, and what to do about it. Pure; every check names the remedy.

A check lets nothing pass that the mapping of canonical events refuses (`agent.collectors.systems.generic`): what the
look at a file calls good is what is imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from agent.collectors.systems.base import is_plain
from agent.collectors.systems.generic import ID_MAX, KIND

NEWCOMER = "user:"
"""Stands before a learner's id in the id of the event that greets them."""
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+?\d+", re.IGNORECASE)
_WITH_POINT = re.compile(r"\d+[.,]0+")
_MISTAKEN = re.compile(r"#(?:N/A|NA|REF!|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|SPILL!|CALC!|GETTING_DATA)")
"""What a spreadsheet writes where a formula found nothing."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_WITH_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_DIGITS_MAX = 15
"""Digits of a number at most: so many are kept exactly, by spreadsheets and by JSON."""
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What text never holds: NUL, and halves of characters."""
_YES = frozenset({"1", "true", "yes", "y", "x", "agreed", "accepted"})
_NO = frozenset({"0", "false", "no", "n", "", "declined"})
_SHIFTED = "check that the columns have not shifted"


class Problem(NamedTuple):
    """What is wrong, and what to do."""

    told: str
    remedy: str


Check = Callable[[str], Problem | None]


def text(cell: str) -> Problem | None:
    """Any cell: whether it is text at all."""
    if _NO_TEXT.search(cell):
        return Problem("the cell holds a sign that is no text", "type it again, or say how the file is encoded")
    return None


def user(cell: str) -> Problem | None:
    """A learner's id in the sending system."""
    return identifier(cell) if cell else Problem("the learner's id is empty", "every row needs one")


def newcomer(cell: str) -> Problem | None:
    """The id of a learner who is greeted: an event's id is made of it."""
    return user(cell) or _too_long(cell, ID_MAX - len(NEWCOMER))


def identifier(cell: str) -> Problem | None:
    """An id that may be left out."""
    if _ROUNDED.fullmatch(cell):
        return Problem("a spreadsheet has rounded this id", "format the column as text and export it again")
    if _WITH_POINT.fullmatch(cell):
        return Problem("a spreadsheet has made a number of this id", "format the column as text and export it again")
    if _MISTAKEN.fullmatch(cell):
        return Problem("a formula of a spreadsheet found nothing here", "look at its formula and export it again")
    if not is_plain(cell):
        return Problem("the id holds a line end, a tab or another sign that is not shown", "type it again without")
    return _too_long(cell, ID_MAX)


def _too_long(cell: str, most: int) -> Problem | None:
    return Problem(f"the id is longer than {most} characters", _SHIFTED) if len(cell) > most else None


def kind(cell: str) -> Problem | None:
    """The kind of event."""
    if not cell:
        return Problem("the event is empty", "write its kind, such as lesson.completed")
    if len(cell) > ID_MAX:
        return Problem(f"the event is longer than {ID_MAX} characters", _SHIFTED)
    if not KIND.fullmatch(cell):
        return Problem("this is no kind of event", "write it as lesson.completed; see: rewards-agent rules facts")
    return None


def number(cell: str) -> Problem | None:
    """A number that may be left out."""
    if not cell:
        return None
    if not _NUMBER.fullmatch(cell):
        comma = "write a point instead of the comma" if _WITH_COMMA.fullmatch(cell) else "write digits only"
        return Problem("this is not a number", comma)
    if len(cell) > _DIGITS_MAX and sum(sign.isdigit() for sign in cell) > _DIGITS_MAX:
        return Problem(f"the number has more than {_DIGITS_MAX} digits", "round the column")
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
