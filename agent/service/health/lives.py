"""How an agent's lives ended: told to stop, or without a word (no memory, a watchdog, a power cut); a file of its own.

One line for the beginning of a life and one for its end in order, each with its time; a beginning after a beginning is
an end that nobody wrote down.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from agent.clock import Clock
from agent.errors import RewardsError

FILE_NAME = "lives"
LINES_MAX = 400
"""Older ones go."""
_BEGAN, _ENDED = "began", "ended"


class Unstopped(NamedTuple):
    """Ends without a word: how many, and when the life after the last of them began (seconds; 0 for none)."""

    times: int
    last_at: int


@contextlib.contextmanager
def life(data_dir: Path, clock: Clock) -> Iterator[None]:
    """One life, its start included. What was asked for or told is an end in order; of all else the next one tells."""
    _add(data_dir, _BEGAN, clock.now())
    try:
        yield
    except (RewardsError, asyncio.CancelledError):
        _add(data_dir, _ENDED, clock.now())
        raise
    _add(data_dir, _ENDED, clock.now())


def unstopped(data_dir: Path, since: int) -> Unstopped:
    """The ends without a word that were followed by a beginning at ``since`` or later."""
    told = [(what, at) for what, at in _lines(data_dir) if what in {_BEGAN, _ENDED}]
    again = [at for (before, _), (what, at) in pairwise(told) if before == what == _BEGAN and at >= since]
    return Unstopped(len(again), max(again, default=0))


def _lines(data_dir: Path) -> Iterator[tuple[str, int]]:
    try:
        text = (data_dir / FILE_NAME).read_text(encoding="ascii", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        what, _, at = line.partition(" ")
        if at.isdecimal():  # what a power cut left of a line is passed over
            yield what, int(at)


def _add(data_dir: Path, what: str, at: int) -> None:
    """Written anew each time, so that it stays small. A disk that does not take it stops nobody."""
    lines = [f"{before} {then}\n" for before, then in _lines(data_dir)][-LINES_MAX + 1 :]
    path = data_dir / FILE_NAME
    draft = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        draft.touch(mode=0o600)
        draft.write_text("".join((*lines, f"{what} {at}\n")), encoding="ascii")
        draft.replace(path)
