"""What was read while something about it could not be looked up: shown again later, with what is known then.

A right that is missing on Friday and given on Monday costs nothing but the days between: what was held for roles, or
lacked a fact, is a second sighting away from being decided (`engine.sighting.again`; docs/adr/0090).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from agent.model import SourceState

SURE = (0, 0)
"""Everything could be looked up."""


def widened(state: SourceState, numbers: Collection[int], *, lost: bool) -> SourceState:
    """The state after what has these numbers was looked up, and something was ``lost``.

    Numbers are what a source finds it again by: ids of a log, numbers of posts, seconds of changes.
    """
    if not numbers or not lost:
        return state
    after, upto = state.unsure if state.unsure != SURE else (min(numbers) - 1, max(numbers))
    return replace(state, unsure=(min(after, min(numbers) - 1), max(upto, *numbers)))


def narrowed(state: SourceState, numbers: Collection[int], most: int) -> SourceState:
    """The state after these, the first ``most`` at most of what was unsure, could be looked up."""
    last = max(numbers, default=0)
    left = len(numbers) >= most and last < state.unsure[1]
    return replace(state, unsure=(last, state.unsure[1]) if left else SURE)


def unread_since(name: str) -> str:
    """The count of a source that says since when nothing of this name can be read (seconds); absent where it can."""
    return f"{name}_unread_since"
