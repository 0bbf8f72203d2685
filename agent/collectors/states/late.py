"""Rows of state tables that come late: when they were looked at last, and which of them were looked at.

Every walk looks at what was changed lately, by the row's own time. Where that is not the time at which the row was
written (cron completes a course as of the day on which its last criterion was met), a row can come in behind all walks.
So once a day the tables are looked through further back, a slice at a time, and only what is new there is asked about
(docs/adr/0093).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from agent.collectors.states.found import Found
from agent.engine.sighting.untold import COURSE_AFTER_S

EVERY_S = 86_400
"""How often it is looked back."""
BACK_S = COURSE_AFTER_S
"""How far: as long as a row of the log that comes later still is known to be about the same."""
ROWS_MAX = 50_000
"""Rows that one look asks about; the others are the next day's."""


class Late:
    """What was looked at. It is forgotten with the process, which costs one longer look."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[tuple[str, int, int]] = set()

    def passed(self, found: Iterable[Found], now: int) -> None:
        """These were looked at."""
        self._known.update((one.event, one.id, one.at) for one in found if one.at > now - BACK_S)

    def forget(self, now: int) -> None:
        """Let go of what no look reaches any more."""
        self._known = {key for key in self._known if key[2] > now - BACK_S}

    def new(self, found: Iterable[Found]) -> list[Found]:
        """Those that were not."""
        return [one for one in found if (one.event, one.id, one.at) not in self._known]


def near_by(found: Iterable[Found], span_ids: int) -> Iterator[Sequence[Found]]:
    """Rows by ascending id in parts that each lie within so many ids: what is asked about their neighbours is short."""
    part: list[Found] = []
    for one in found:
        if part and one.id >= part[0].id + span_ids:
            yield part
            part = []
        part.append(one)
    if part:
        yield part
