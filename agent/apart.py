"""What fails among many is found by halves, so that the good beside it goes on; and where in this program it failed."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.errors import ConstraintError, InvalidInputError, RewardsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """Something of a source that could not be taken: its ``position`` there, and the ``fault``: what failed, and where.

    ``what`` it was is its LMS name or kind, empty where it could not even be read. Names nobody.
    """

    position: int
    what: str
    fault: str


T = TypeVar("T")
R = TypeVar("R")

FRAMES_MAX = 6
_PACKAGE = Path(__file__).parent
_ITS_OWN = (InvalidInputError, ConstraintError)


def is_of_data(error: Exception) -> bool:
    """Whether an error may be about what was worked on: a refusal of it, or what this program does not expect.

    What the machine, the network or an edit cures is not, nor that memory ran out.
    """
    return isinstance(error, _ITS_OWN) or not isinstance(error, RewardsError | MemoryError)


def fault_of(error: BaseException) -> str:
    """What failed, and where: `ValueError at agent/ledger/codec.py:81`.

    The words of an error that this program did not raise on purpose are left out: they may hold what somebody wrote.
    """
    if isinstance(error, InvalidInputError):
        return error.message
    return f"{type(error).__name__} at {_places(error)[0]}"


def way_to(error: BaseException) -> str:
    """The last calls before an error, newest first: `agent/ledger/codec.py:81 < agent/arriving/ahead.py:41`."""
    return " < ".join(_places(error)[:FRAMES_MAX])


def _places(error: BaseException) -> list[str]:
    """Places in this program, newest first."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    files = ((Path(frame.filename), frame.lineno) for frame in frames)
    ours = [f"agent/{path.relative_to(_PACKAGE)}:{line}" for path, line in files if path.is_relative_to(_PACKAGE)]
    return ours or ["a place outside of it"]


async def by_halves(
    items: Sequence[T], work: Callable[[Sequence[T]], Awaitable[R]], *, most: int
) -> tuple[list[R], list[tuple[T, Exception]]]:
    """Do ``work`` on all of ``items``, or where that fails on halves of them, down to those on which it fails alone.

    Returns what came of the parts, in order, and which items failed, each with its error.

    Raises:
        Exception: more than ``most`` items failed, or the error is about none of them (see `is_of_data`).
    """
    done: list[R] = []
    failed: list[tuple[T, Exception]] = []
    waiting = [items]
    while waiting:
        part = waiting.pop()
        try:
            done.append(await work(part))
        except Exception as error:
            if not is_of_data(error) or (len(part) <= 1 and len(failed) >= most) or not part:
                raise
            if len(part) == 1:
                failed.append((part[0], error))
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
    return done, failed
