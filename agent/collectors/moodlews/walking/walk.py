"""One walk through a site's courses and learners: what it looks at, and what was refused on the way. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from agent.collectors.moodlews.answers import COURSE_STATUS, GRADE_ITEMS, RATINGS, STATUSES
from agent.collectors.states.found import Found
from agent.collectors.systems.moodle import RATED
from agent.collectors.unsure import unread_since, widened
from agent.engine.sighting.untold import COMPLETED, COMPLETION, GRADED
from agent.model import SourceState

_ASKED: Mapping[str, Collection[str]] = MappingProxyType(
    {COMPLETION: (STATUSES,), COMPLETED: (COURSE_STATUS,), GRADED: (GRADE_ITEMS,), RATED: RATINGS}
)
"""What it takes to find acts of each sort."""
_NAMED: Mapping[str, str] = MappingProxyType(
    {COMPLETION: "completions", COMPLETED: "course_completions", GRADED: "grades", RATED: "ratings"}
)


class Walk:
    """What was changed after ``since`` and not after ``until``, and what is to be shown again; ``state`` as last told.

    ``blind`` are courses of which something is still refused, ``told_at`` when its last page was.
    """

    __slots__ = ("_again", "_answered", "_still", "_unread", "blind", "refused", "since", "state", "told_at", "until")

    def __init__(self, *, since: int, until: int, state: SourceState) -> None:
        self.since = since
        self.until = until
        self.state = state
        self.told_at = 0.0
        self.blind: set[int] = set()
        self.refused: set[str] = set()
        self._answered: set[str] = set()
        self._again = state.unsure
        self._still = SourceState()
        self._unread = {sort: state.counts.get(unread_since(name), since) for sort, name in _NAMED.items()}

    def is_new(self, one: Found) -> bool:
        """Whether it is looked at for the first time, or was a moment ago."""
        return self._unread[one.event] < one.at <= self.until

    def looks_at(self, one: Found) -> bool:
        """Whether it is new, or is to be shown again."""
        after, upto = self._again
        return self.is_new(one) or after < one.at <= upto

    def asked(self, sorts: Collection[str], lost: Collection[str]) -> None:
        """Acts of these sorts were asked for; ``lost`` are the functions that were refused."""
        for sort in sorts:
            refused = not set(lost).isdisjoint(_ASKED[sort])
            (self.refused if refused else self._answered).add(sort)

    def unsure(self, found: Iterable[Found]) -> None:
        """Of these not everything could be known."""
        times = [one.at for one in found]
        self.state = widened(self.state, times, lost=True)
        self._still = widened(self._still, times, lost=True)

    def over(self) -> SourceState:
        """The state after the walk, which left nothing unsure but what it said so of."""
        counts = {name: count for name, count in self.state.counts.items() if not name.endswith(unread_since(""))}
        for sort in self.refused - self._answered:
            counts[unread_since(_NAMED[sort])] = self._unread[sort]
        return replace(self.state, counts=counts, unsure=self._still.unsure)
