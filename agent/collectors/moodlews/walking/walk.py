"""One walk through a site's courses and learners: what it looks at, and what was refused on the way. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from agent.collectors.moodlews.answers import COURSE_STATUS, GRADE_ITEMS, RATINGS, STATUSES
from agent.collectors.moodlews.walking.unread import Place, Unread
from agent.collectors.states.found import Found
from agent.collectors.systems.moodle import RATED
from agent.collectors.unsure import widened
from agent.engine.sighting.untold import COMPLETED, COMPLETION, GRADED
from agent.model import SourceState

_ASKED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        COMPLETION: frozenset({STATUSES}),
        COMPLETED: frozenset({COURSE_STATUS}),
        GRADED: frozenset({GRADE_ITEMS}),
        RATED: frozenset(RATINGS),
    }
)
"""What it takes to find acts of each sort."""


class Walk:
    """What was changed after ``since`` and not after ``until``, and what is to be shown again; ``state`` as last told.

    ``blind`` are courses of which something is still refused, ``told_at`` when its last page was.
    """

    __slots__ = ("_again", "_still", "_unread", "blind", "since", "state", "told_at", "until")

    def __init__(self, *, since: int, until: int, state: SourceState) -> None:
        self.since = since
        self.until = until
        self.state = state
        self.told_at = 0.0
        self.blind: set[int] = set()
        self._again = state.unsure
        self._still = SourceState()
        self._unread = Unread(state.counts, since)

    def is_new(self, one: Found) -> bool:
        """Whether it is looked at for the first time, or was a moment ago."""
        return self._unread.since(one.event, one.course or 0, one.learner) < one.at <= self.until

    def looks_at(self, one: Found) -> bool:
        """Whether it is new, or is to be shown again."""
        after, upto = self._again
        return self.is_new(one) or after < one.at <= upto

    def asked(self, place: Place, sorts: Collection[str], lost: Collection[str]) -> None:
        """Acts of these sorts were asked for in a place; ``lost`` are the functions that were refused."""
        for sort in sorts:
            self._unread.asked(sort, place, refused=not _ASKED[sort].isdisjoint(lost))

    def refused(self, course: int, sorts: Collection[str]) -> None:
        """Nobody told whom to ask about in a course."""
        for sort in sorts:
            self._unread.asked(sort, (course, 0), refused=True)

    def unsure(self, found: Iterable[Found]) -> None:
        """Of these not everything could be known."""
        times = [one.at for one in found]
        self.state = widened(self.state, times, lost=True)
        self._still = widened(self._still, times, lost=True)

    def over(self, courses: Collection[int]) -> SourceState:
        """The state after the walk through ``courses``, which left nothing unsure but what it said so of."""
        return replace(self.state, counts=self._unread.over(self.state.counts, courses), unsure=self._still.unsure)
