"""Posts of which something was not told to us when it was asked about: asked about again later, a page at a time.

A right is missing for a function, or for one course; whether it will be given, and when, nobody knows. A page of which
all could be known is followed by the next at once; after one of which something is still refused, the walk rests. So a
right that is never given costs one page of questions every so often, and one that is given brings what waits for it
within a walk (docs/adr/0090).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.collectors.unsure import SURE
from agent.model import SourceState

LOOK_AGAIN_S = 600.0
"""How long the walk rests after a page of which something is still refused, and after its end."""
BEHIND = "look_ups_refused_behind"
FROM = "look_ups_refused_from"
"""Counts of a source during a walk: behind which post it goes on, and the first of which something is refused."""


class Refusals:
    """When the posts of a source that are `unsure` are asked about again, and how far that has come."""

    __slots__ = ("_next_at",)

    def __init__(self, next_at: float) -> None:
        self._next_at = next_at

    def met(self, running: float) -> None:
        """Something was refused just now: there is no use in asking at once."""
        self._next_at = max(self._next_at, running + LOOK_AGAIN_S)

    def is_due(self, state: SourceState, running: float) -> bool:
        """Whether to ask about the next page."""
        return state.unsure != SURE and running >= self._next_at

    def left_s(self, running: float) -> float:
        """Seconds until it is due."""
        return max(self._next_at - running, 1.0)

    def went(
        self, state: SourceState, numbers: Sequence[int], last: int, running: float, *, refused: bool
    ) -> SourceState:
        """The state after posts with these ``numbers`` were asked about; ``last`` of them, 0 where none was left."""
        counts, (after, upto) = dict(state.counts), state.unsure
        counts["posts_looked_up_again"] = counts.get("posts_looked_up_again", 0) + len(numbers)
        if refused:
            counts.setdefault(FROM, min(numbers))
            self.met(running)
        if 0 < last < upto:
            counts[BEHIND] = last
            return replace(state, counts=counts, unsure=(after if FROM in counts else last, upto))
        first = counts.pop(FROM, 0)
        counts.pop(BEHIND, None)
        self.met(running)
        return replace(state, counts=counts, unsure=(first - 1, upto) if first else SURE)


def behind(state: SourceState) -> int:
    """The number behind which the next page begins."""
    return max(state.counts.get(BEHIND, 0), state.unsure[0])
