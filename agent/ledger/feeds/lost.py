"""What the LMS removed from its log before it was read: kept among a source's counts, told by everything that looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_IDS, _SINCE, _UNTIL, _NOTICED = "lost_ids", "lost_since", "lost_until", "lost_noticed_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """``ids`` that are gone, which had a row each at most; the newest of them are of ``since`` … ``until`` (seconds).

    ``noticed_at`` is when that was found.
    """

    ids: int
    since: int
    until: int
    noticed_at: int

    def counted(self, counts: Mapping[str, int]) -> dict[str, int]:
        """A source's counts with these besides what it lost before."""
        told = {_SINCE: self.since, _UNTIL: self.until, _NOTICED: self.noticed_at}
        return {**counts, _IDS: counts.get(_IDS, 0) + self.ids, **told}


def lost(counts: Mapping[str, int]) -> Lost | None:
    """What a source with these counts ever lost; None where that is nothing."""
    if not counts.get(_IDS):
        return None
    return Lost(ids=counts[_IDS], since=counts[_SINCE], until=counts[_UNTIL], noticed_at=counts[_NOTICED])
