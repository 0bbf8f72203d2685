"""The inbox as a source: what one system posted, read page by page like a log."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from agent.clock import Clock
from agent.collectors.inbox.store import Inbox, Kept
from agent.collectors.systems.base import Arrival, RefusedPostError, System
from agent.config.kinds import KindTable
from agent.model import Demand, Observation, Page, SourceState

PAGE_POSTS_MAX = 500
"""Posts in one page."""
TIDY_S = 3_600.0
"""How often posts that were kept long enough are removed."""
HEARTBEAT_S = 60.0
"""How often a quiet source yields a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxOptions:
    """One posting source as configured; ``site`` is the name that its ids belong to.

    Posts that were read are kept for ``keep_s``; the rest as in `Arrival`.
    """

    name: str
    site: str
    backdated_after_s: int
    site_admins: frozenset[int]
    awaits_log: bool
    pay_before_log: bool
    keep_s: int


class InboxCollector:
    """What one source posted; a `Collector`. ``kinds`` gives the kind table in force."""

    def __init__(
        self, options: InboxOptions, inbox: Inbox, system: System, kinds: Callable[[], KindTable], clock: Clock
    ) -> None:
        self._options = options
        self._clock = clock
        self._tidied_at = clock.running() - TIDY_S
        self._inbox = inbox
        self._system = system
        self._kinds = kinds

    @property
    def name(self) -> str:
        """The source's configured name."""
        return self._options.name

    async def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        """Pages from where ``state`` says; see `Collector.pages`."""
        arrived = self._inbox.arrived(self.name)
        upto = None if follow else await self._inbox.newest(self.name)
        state = replace(state, fault="", start_at=state.start_at or 0)
        first = True
        while True:
            arrived.clear()
            posts = await self._inbox.after(self.name, state.position, PAGE_POSTS_MAX)
            posts = [post for post in posts if upto is None or post.number <= upto]
            if posts or first:
                first = False
                page = self._page(state, posts, demand())
                state = page.state
                yield page
                await self._tidy(state.position)
            if len(posts) == PAGE_POSTS_MAX:
                continue
            if not follow:
                return
            try:
                await asyncio.wait_for(arrived.wait(), HEARTBEAT_S)
            except TimeoutError:
                first = True

    async def _tidy(self, position: int) -> None:
        """Let go of what was read long enough ago; ``position`` is on disk."""
        if self._clock.running() - self._tidied_at >= TIDY_S:
            self._tidied_at = self._clock.running()
            await self._inbox.expire(self.name, upto=position, before=self._clock.now() - self._options.keep_s)

    async def close(self) -> None:
        """The inbox is closed by whoever opened it."""

    def _page(self, state: SourceState, posts: Sequence[Kept], demand: Demand) -> Page:
        counts = Counter(state.counts)
        counts["posts_read"] += len(posts)
        observations = [seen for post in posts for seen in self._observed(post, demand, counts)]
        position = posts[-1].number if posts else state.position
        return Page(
            source=self.name,
            observations=observations,
            state=replace(
                state,
                position=position,
                high_water=max((seen.occurred_at for seen in observations), default=state.high_water),
                counts={name: count for name, count in counts.items() if count},
            ),
            rules_version=demand.rules_version,
            caught_up=len(posts) < PAGE_POSTS_MAX,
            newest=position,
        )

    def _observed(self, post: Kept, demand: Demand, counts: Counter[str]) -> list[Observation]:
        """What rules want of what a post says."""
        arrival = Arrival(
            source=self.name,
            site=self._options.site,
            number=post.number,
            received_at=post.received_at,
            evidence=post.evidence,
            body=post.body,
            backdated_after_s=self._options.backdated_after_s,
            site_admins=self._options.site_admins,
            awaits_log=self._options.awaits_log,
            pay_before_log=self._options.pay_before_log,
        )
        try:
            found = self._system.observations(arrival, self._kinds())
        except RefusedPostError:
            counts["posts_unreadable"] += 1  # an older version let it in
            return []
        wanted = [seen for seen in found if _wanted(seen, demand)]
        counts["events_unwanted"] += len(found) - len(wanted)
        return wanted


def _wanted(seen: Observation, demand: Demand) -> bool:
    """Whether any rule waits for such an event."""
    if seen.lms_event in demand.names or any(seen.lms_event.endswith(suffix) for suffix in demand.suffixes):
        return True
    return seen.kind is not None and any(fnmatchcase(seen.kind, pattern) for pattern in demand.patterns)
