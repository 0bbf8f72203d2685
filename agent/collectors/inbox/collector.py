"""The inbox as a source: what one system posted, read page by page like a log."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from agent import apart
from agent.apart import Aside
from agent.clock import Clock
from agent.collectors.base import LookedUp, LookUps
from agent.collectors.inbox.leaving import Gone, Leaving, nobody
from agent.collectors.inbox.refused_facts import Refusals, behind
from agent.collectors.inbox.requeued import Kept
from agent.collectors.inbox.store import Inbox
from agent.collectors.systems.base import Arrival, RefusedPostError, System
from agent.collectors.systems.understood import understood
from agent.collectors.unsure import SURE, widened
from agent.config.kinds import DELETED, KindTable
from agent.model import Demand, Observation, Page, SourceState

PAGE_POSTS_MAX = 500
"""Posts in one page."""
PAGE_EVENTS_MAX = 1_000
"""Events after which a page is full: the post that reaches it, which may tell 500, is its last."""
TIDY_S = 3_600.0
"""How often posts that were kept long enough are removed."""
PAGE_LOOKED_UP_MAX = 50
"""Posts, and events, of a page where each may cost requests: what was found is on disk before more is asked."""
PAGE_ASIDE_MAX = 10
"""Events of one page that are set aside at most because asking about them fails."""
HEARTBEAT_S = 60.0
"""How often a quiet source yields a page."""
LOOK_AGAIN_S = 60.0
"""How often posts that lack something are looked at again."""
OWED_FROM = "look_ups_owed_from"
"""Counts of a source: the number of the oldest post that is to be looked at again; absent where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxOptions:
    """One posting source as configured; ``site`` is the name that its ids belong to.

    Posts that were read are kept for ``keep_s``, a page holds ``page_posts_max`` at most; the rest as in `Arrival`.
    """

    name: str
    site: str
    backdated_after_s: int
    site_admins: frozenset[int]
    awaits_log: bool
    pay_before_log: bool
    keep_s: int
    page_posts_max: int = PAGE_POSTS_MAX


class _Again:
    """One walk through posts that lack something: when it may begin, after which, and the oldest that still does."""

    __slots__ = ("after", "next_at", "oldest")

    def __init__(self, next_at: float = 0.0) -> None:
        self.next_at = next_at
        self.after = 0
        self.oldest = 0

    def owes(self, numbers: Collection[int]) -> None:
        """These lack something still."""
        if numbers:
            self.oldest = min(*numbers, self.oldest or max(numbers))


class InboxCollector:
    """What one source posted; a `Collector`. ``kinds`` gives the kind table in force.

    With ``look_ups`` what posts lack is asked for. What cannot be known yet, or is refused to us, is asked for again:
    such posts are read a second time, as second sightings of what they told.
    """

    def __init__(
        self,
        options: InboxOptions,
        inbox: Inbox,
        system: System,
        kinds: Callable[[], KindTable],
        clock: Clock,
        look_ups: LookUps | None = None,
        gone: Gone = nobody,
    ) -> None:
        self._options = options
        self._leaving = Leaving(inbox, options.name, gone)
        self._clock = clock
        self._look_ups = look_ups
        self._again = _Again()
        self._refusals = Refusals(0.0)
        self._most = options.page_posts_max if look_ups is None else PAGE_LOOKED_UP_MAX
        self._full = PAGE_EVENTS_MAX if look_ups is None else PAGE_LOOKED_UP_MAX
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
        self._again = _Again(next_at=self._clock.running() + (LOOK_AGAIN_S if follow else 0.0))
        self._refusals = Refusals(self._clock.running())
        while True:
            arrived.clear()
            newest = await self._inbox.newest(self.name) if upto is None else upto
            posts = await self._inbox.after(self.name, state.position, self._most)
            posts = [post for post in posts if post.number <= newest]
            if posts or first:
                first = False
                page = await self._read(state, posts, newest, demand())
                state = page.state
                yield page
                await self._leaving.go(_needless(state))
                await self._tidy(state.position)
                if not page.caught_up:
                    continue
            if self._is_owed(state):
                page = await self._looked_at_again(state, demand())
                state = page.state
                yield page
                await self._leaving.go(_needless(state))
                continue
            if self._is_refused(state):
                page = await self._asked_again(state, demand())
                state = page.state
                yield page
                await self._leaving.go(_needless(state))
                continue
            if not follow:
                return
            try:
                async with asyncio.timeout(self._patience(state)):
                    await arrived.wait()
            except TimeoutError:
                first = not (self._is_owed(state) or self._is_refused(state))

    def _is_owed(self, state: SourceState) -> bool:
        """Whether it is time to look again at posts that lack something."""
        due = OWED_FROM in state.counts and self._clock.running() >= self._again.next_at
        return due and self._look_ups is not None and self._look_ups.ready()

    def _is_refused(self, state: SourceState) -> bool:
        """Whether it is time to ask again about posts of which something was refused to us."""
        due = self._refusals.is_due(state, self._clock.running())
        return due and self._look_ups is not None and self._look_ups.ready()

    def _patience(self, state: SourceState) -> float:
        running, left = self._clock.running(), HEARTBEAT_S
        if OWED_FROM in state.counts:
            left = min(left, max(self._again.next_at - running, 1.0))
        return min(left, self._refusals.left_s(running)) if state.unsure != SURE else left

    async def _looked_at_again(self, state: SourceState, demand: Demand) -> Page:
        """The next of the posts that were read and lack something; after the last of them they rest for a while."""
        again = self._again
        again.after = max(again.after, state.counts[OWED_FROM] - 1)
        posts = await self._inbox.after(self.name, again.after, self._most)
        posts = [post for post in posts if post.number <= state.position]
        aside: list[Aside] = []
        last, said = self._said(posts, demand, Counter(), aside)
        found = await self._looked_up(said, demand, aside)
        again.owes(found.owed)
        counts = dict(state.counts)
        if not found.reached:  # all that is owed stays owed
            self._again = _Again(next_at=self._clock.running() + LOOK_AGAIN_S)
        elif 0 < last < state.position:
            again.after = last
        else:
            counts[OWED_FROM] = again.oldest
            self._again = _Again(next_at=self._clock.running() + LOOK_AGAIN_S)
        state = replace(state, counts={name: count for name, count in counts.items() if count})
        return self._page(state, found.observations, demand, caught_up=True, set_aside=aside)

    async def _asked_again(self, state: SourceState, demand: Demand) -> Page:
        """The next of the posts of which something was refused; what of them is not recorded was not wanted then."""
        posts = await self._inbox.after(self.name, behind(state), self._most)
        posts = [post for post in posts if post.number <= state.unsure[1]]
        last, said = self._said(posts, demand, Counter(), [])
        found = await self._looked_up(said, demand, [])
        numbers = [post.number for post in posts if post.number <= last]
        refused = bool(numbers) and (found.refused or not found.reached)
        state = self._refusals.went(state, numbers, last, self._clock.running(), refused=refused)
        return replace(self._page(state, found.observations, demand, caught_up=True, set_aside=()), again=True)

    async def _tidy(self, position: int) -> None:
        """Let go of what was read long enough ago; ``position`` is on disk."""
        if self._clock.running() - self._tidied_at >= TIDY_S:
            self._tidied_at = self._clock.running()
            await self._inbox.expire(self.name, upto=position, before=self._clock.now() - self._options.keep_s)

    async def close(self) -> None:
        """The inbox is closed by whoever opened it."""

    async def _read(self, state: SourceState, posts: Sequence[Kept], newest: int, demand: Demand) -> Page:
        """The page of the first of the posts that were not read yet, of which ``newest`` is the last."""
        counts = Counter(state.counts)
        aside: list[Aside] = []
        last, said = self._said(posts, demand, counts, aside)
        found = await self._looked_up(said, demand, aside)
        observations, owed = found.observations, found.owed
        if owed:
            self._again.owes(owed)
            counts[OWED_FROM] = min(*owed, counts[OWED_FROM] or max(owed))
        if found.refused:
            self._refusals.met(self._clock.running())
            state = widened(state, [post.number for post in posts if post.number <= last], lost=True)
        state = replace(
            state,
            position=last or state.position,
            high_water=max((seen.occurred_at for seen in observations), default=state.high_water),
            counts={name: count for name, count in counts.items() if count},
        )
        caught_up = not posts or state.position >= newest
        return self._page(state, observations, demand, caught_up=caught_up, set_aside=aside)

    def _said(
        self, posts: Sequence[Kept], demand: Demand, counts: Counter[str], aside: list[Aside]
    ) -> tuple[int, list[Observation]]:
        """What the first posts say, until it fills a page, and the number of the last of them; 0 where there is none.

        What cannot be read goes into ``aside``.
        """
        last = 0
        found: list[Observation] = []
        for post in posts:
            found += self._observed(post, demand, counts, aside)
            counts["posts_read"] += 1
            last = post.number
            if len(found) >= self._full:
                break
        return last, found

    async def _looked_up(self, observations: Sequence[Observation], demand: Demand, aside: list[Aside]) -> LookedUp:
        """What was found about observations; that about which nothing can be found goes into ``aside``."""
        look_ups = self._look_ups
        if look_ups is None or not observations:
            return LookedUp(observations=observations, owed=frozenset(), reached=True)

        async def add(part: Sequence[Observation]) -> LookedUp:
            return await look_ups.add(part, demand)

        found, failed = await apart.by_halves(observations, add, most=PAGE_ASIDE_MAX)
        aside += [
            Aside(position=one.position, what=one.kind or one.lms_event, fault=apart.fault_of(error))
            for one, error in failed
        ]
        return LookedUp(
            observations=[seen for part in found for seen in part.observations],
            owed=frozenset().union(*(part.owed for part in found)),
            reached=all(part.reached for part in found),
            refused=any(part.refused for part in found),
        )

    def _page(
        self,
        state: SourceState,
        observations: Sequence[Observation],
        demand: Demand,
        *,
        caught_up: bool,
        set_aside: Sequence[Aside],
    ) -> Page:
        return Page(
            source=self.name,
            observations=observations,
            state=state,
            rules_version=demand.rules_version,
            caught_up=caught_up,
            newest=state.position,
            set_aside=set_aside,
        )

    def _observed(self, post: Kept, demand: Demand, counts: Counter[str], aside: list[Aside]) -> list[Observation]:
        """What rules want of what a post says; one that cannot be read any more goes into ``aside``."""
        try:
            found = self.says(post)
        except RefusedPostError as error:  # an older version let it in
            counts["posts_unreadable"] += 1
            aside.append(Aside(position=post.first, what="", fault=f"{error.reason}: {error.message}"))
            return []
        self._leaving.note(post.number, found)
        wanted = [seen for seen in found if is_wanted(seen, demand)]
        counts["events_unwanted"] += len(found) - len(wanted)
        return wanted

    def says(self, post: Kept) -> Sequence[Observation]:
        """What a post says, by the mapping and the kinds in force; a post is known by the number that it had first.

        Raises:
            RefusedPostError: it is not what this system sends, or this version fails on it.
        """
        arrival = Arrival(
            source=self.name,
            site=self._options.site,
            number=post.first,
            received_at=post.received_at,
            evidence=post.evidence,
            body=post.body,
            backdated_after_s=self._options.backdated_after_s,
            site_admins=self._options.site_admins,
            awaits_log=self._options.awaits_log,
            pay_before_log=self._options.pay_before_log,
        )
        return understood(self._system, arrival, self._kinds())


def _needless(state: SourceState) -> int:
    """Up to which number posts are read, and are not to be looked at again."""
    upto = state.position
    if OWED_FROM in state.counts:
        upto = min(upto, state.counts[OWED_FROM] - 1)
    return upto if state.unsure == SURE else min(upto, state.unsure[0])


def is_wanted(seen: Observation, demand: Demand) -> bool:
    """Whether any rule waits for such an event; that an account is deleted concerns all of them."""
    if seen.kind == DELETED:
        return True
    if seen.lms_event in demand.names or any(seen.lms_event.endswith(suffix) for suffix in demand.suffixes):
        return True
    return seen.kind is not None and any(fnmatchcase(seen.kind, pattern) for pattern in demand.patterns)
