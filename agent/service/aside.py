"""Taking a page without what of it cannot be taken: that is set aside with its place and reason, the rest goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import structlog

from agent import apart
from agent.apart import Aside
from agent.clock import Clock
from agent.model import Observation, Page

PER_PAGE_MAX = 10
"""Events of one page that are set aside at most: where more fail, it is no fault of theirs."""
PER_DAY_MAX = 100
"""Places of one source that are set aside within a day at most, for the same reason."""
_DAY_S = 86_400.0
MEND = "update the agent, or report it to its makers; then: rewards-agent events requeue --source {source}"

log = structlog.get_logger()


class Takes(Protocol):
    """What pages are given to."""

    async def take(self, page: Page) -> Any:
        """Record a page; when this returns it is on disk."""
        ...


class Careful:
    """Takes the pages of one source, each without what of it fails alone."""

    def __init__(self, ledger: Takes, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._places: dict[int, float] = {}

    async def take(self, page: Page) -> Any:
        """Record a page; when this returns it is on disk, and what is set aside with it.

        Raises:
            TransientError: the machine is to blame.
            Exception: whatever the ledger raises that is about none of the events, or about too many of them.
        """
        try:
            return await self._ledger.take(page)
        except Exception as error:
            apart.require_of_data(error)
            if not page.observations:
                raise
        return await self._without(page)

    async def _without(self, page: Page) -> Any:
        """Record what is good of a page part by part, then all of that at once with the source's new place."""

        async def part(seen: Sequence[Observation]) -> None:
            await self._ledger.take(replace(page, observations=seen, set_aside=(), part=True))

        _, failed = await apart.by_halves(page.observations, part, most=self._room())
        bad = {id(one) for one, _ in failed}
        found = [
            Aside(position=one.position, what=one.kind or one.lms_event, fault=apart.fault_of(error))
            for one, error in failed
        ]
        tally = await self._ledger.take(
            replace(
                page,
                observations=[one for one in page.observations if id(one) not in bad],
                set_aside=(*page.set_aside, *found),
            )
        )
        for aside, (_, error) in zip(found, failed, strict=True):
            self._places[aside.position] = self._clock.running()
            log.error(
                "event_set_aside",
                source=page.source,
                position=aside.position,
                what=aside.what,
                fault=aside.fault,
                way=apart.way_to(error),
                do=MEND.format(source=page.source),
            )
        return tally

    def _room(self) -> int:
        """How many events may be set aside now; a place that was set aside before counts once."""
        after = self._clock.running() - _DAY_S
        self._places = {place: at for place, at in self._places.items() if at > after}
        return min(PER_PAGE_MAX, PER_DAY_MAX - len(self._places))
