"""What fails among many is found by halves, so that the good beside it goes on; and where in this program it failed."""

from __future__ import annotations

import errno
import sqlite3
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.errors import ConstraintError, InvalidInputError, RewardsError, TransientError


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

_OF_DATA = frozenset(
    {errno.EINVAL, errno.EDOM, errno.ERANGE, errno.EOVERFLOW, errno.EILSEQ, errno.ENAMETOOLONG, errno.EISDIR}
)
"""What the system says of a value that it cannot take: a time out of reach, a zone that is a folder."""
_SQLITE_OF_DATA = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT})
_SQLITE_OF_DATA |= {sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISUSE}
_NO_THREAD = "can't start new thread"
_GOES_ON = "nothing is lost, it is tried again"
_FULL = ("its disk is full", "free some space")
_FILES = ("too many files and connections are open", "raise LimitNOFILE= of the unit")
_CURES = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EMFILE: _FILES, errno.ENFILE: _FILES}


def is_of_data(error: Exception) -> bool:
    """Whether an error may be about what was worked on: a refusal of it, or what this program does not expect.

    What the machine, the network or an edit cures is not, nor that memory ran out.
    """
    if isinstance(error, RewardsError | MemoryError):
        return isinstance(error, _ITS_OWN)
    return of_machine(error) is None


def require_of_data(error: Exception) -> None:
    """Go on where an error may be about what was worked on (see `is_of_data`).

    Raises:
        TransientError: the machine is to blame.
        Exception: the error itself, where it is about nothing that could be set aside.
    """
    if (trouble := of_machine(error)) is not None:
        raise trouble from error
    if not is_of_data(error):
        raise error


def of_machine(error: BaseException) -> TransientError | None:
    """What the machine refused, told with what helps; None where it is not to blame, or the error tells that itself.

    Where memory ran out the process ends and is begun again: that is for nobody here to tell.
    """
    if isinstance(error, BaseExceptionGroup):
        return next((told for told in map(of_machine, error.exceptions) if told is not None), None)
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error)
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return _told("no more threads can be started", "raise TasksMax= of the unit")
    if isinstance(error, SystemError):
        return _told(f"Python itself failed, {fault_of(error)}", "restart the agent; report it where it comes again")
    return None


def _of_system(error: OSError) -> TransientError | None:
    if error.errno in _OF_DATA or (error.errno is None and not isinstance(error, ConnectionError | TimeoutError)):
        return None
    said = error.strerror or type(error).__name__
    return _told(*_CURES.get(error.errno or 0, (f"it says {said!r}, {fault_of(error)}", "see the system's log")))


def _of_sqlite(error: sqlite3.Error) -> TransientError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF in _SQLITE_OF_DATA:
        return None
    return _told(f"SQLite says {error.sqlite_errorname}", "see the system's log for its disk and memory")


def _told(trouble: str, cure: str) -> TransientError:
    return TransientError(f"the machine is in trouble: {trouble}", hint=f"{cure}: {_GOES_ON}")


def fault_of(error: BaseException) -> str:
    """What failed, and where: `ValueError at agent/ledger/codec.py:81`.

    The words of an error that this program did not raise on purpose are left out: they may hold what somebody wrote.
    """
    if isinstance(error, InvalidInputError):
        return error.message
    return f"{type(error).__name__} at {_places(error)[0]}"


def forget_way(error: BaseException) -> None:
    """Keep what an error says, and not the frames that it came through, nor those of what brought it about.

    They hold a page and a connection, in circles that nobody looks for as long as little is made: half a megabyte for
    each time that a database is away.
    """
    todo: list[BaseException | None] = [error]
    known: set[int] = set()  # what is raised from what came of it leads in a circle
    while todo:
        if (one := todo.pop()) is not None and id(one) not in known:
            known.add(id(one))
            one.__traceback__ = None
            todo += [one.__cause__, one.__context__]


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
        TransientError: the machine is to blame.
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
            require_of_data(error)
            if (len(part) <= 1 and len(failed) >= most) or not part:
                raise
            if len(part) == 1:
                failed.append((part[0], error))
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
    return done, failed
