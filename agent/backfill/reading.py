"""Where events of before come from: the ledger's own record, or a log that is read beside the one that is followed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Protocol

from agent.backfill.asked import Asked, Slice
from agent.engine import trust
from agent.engine.rulebook import Rulebook
from agent.errors import InvalidInputError
from agent.ledger import file
from agent.ledger.past import events as past_events
from agent.model import Demand, Page, SourceState, Trust

EVENTS_AT_ONCE = 1_000


class Log(Protocol):
    """A log that is looked at beside the one that is followed."""

    def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        """Pages from where ``state`` says."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Reading:
    """Reads slices. ``log_from`` opens a log source from a time on; ``ceilings`` are the sources' trusts."""

    def __init__(
        self,
        data_dir: Path,
        *,
        stands: Callable[[str], SourceState],
        log_from: Callable[[str, int], Log],
        ceilings: Mapping[str, Trust],
    ) -> None:
        self._data_dir = data_dir
        self._stands = stands
        self._log_from = log_from
        self._ceilings = ceilings

    async def slice(self, asked: Asked, rulebook: Rulebook, cursor: dict[str, int] | None) -> Slice:
        """The next events after ``cursor``.

        Raises:
            InvalidInputError: there is no such log source, or it was never read.
        """
        if asked.log:
            return await self._of_log(asked, rulebook, cursor)
        return self._of_ledger(asked, cursor)

    def _of_ledger(self, asked: Asked, cursor: dict[str, int] | None) -> Slice:
        after = cursor["event"] if cursor else 0
        with file.reading(self._data_dir) as connection:
            last = past_events.last_event(connection)
            pages = past_events.recorded(
                connection, after=after, since=asked.since, until=asked.until, at_once=EVENTS_AT_ONCE
            )
            page = next(pages, [])
        at = page[-1][0] if page else last
        whole = len(page) < EVENTS_AT_ONCE
        return Slice(
            events=[event for _, event in page],
            cursor=None if whole else {"event": at},
            position=last if whole else at,
            last=last,
        )

    async def _of_log(self, asked: Asked, rulebook: Rulebook, cursor: dict[str, int] | None) -> Slice:
        """What the log shows up to where it is read already: what is beyond, or missing yet, the agent meets itself."""
        stands = self._stands(asked.log) if asked.log in self._ceilings else SourceState()
        if stands.start_at is None:
            raise InvalidInputError(
                f"the log of {asked.log!r} was never read", hint="name a log source that `status` shows"
            )
        since = max(asked.since, stands.start_at)
        state = SourceState()
        if cursor:
            state = SourceState(position=cursor["position"], high_water=cursor["high_water"], start_at=since)
        page = await self._log_page(asked.log, since, state, _demand(rulebook, asked.rules))
        if page is None:
            return Slice(events=(), cursor=None, position=stands.position, last=stands.position)
        ceiling = self._ceilings[asked.log]
        events = [
            trust.tag(seen, ceiling)
            for seen in page.observations
            if seen.occurred_at < asked.until and _was_read(seen.position, stands)
        ]
        at = page.state.position
        done = page.caught_up or at >= stands.position
        return Slice(
            events=events,
            cursor=None if done else {"position": at, "high_water": page.state.high_water},
            position=min(at, stands.position),
            last=stands.position,
        )

    async def _log_page(self, source: str, since: int, state: SourceState, demand: Demand) -> Page | None:
        log = self._log_from(source, since)
        pages = log.pages(state, lambda: demand, follow=False)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(log.close)
            if isinstance(pages, AsyncGenerator):
                stack.push_async_callback(pages.aclose)
            return await anext(pages, None)


def _demand(rulebook: Rulebook, rules: frozenset[str]) -> Demand:
    needs = [rulebook.needs[rule] for rule in sorted(rules)]
    return Demand(
        rules_version=rulebook.version,
        names=frozenset().union(*(each.names for each in needs)),
        suffixes=frozenset().union(*(each.suffixes for each in needs)),
        facts=frozenset().union(*(each.facts for each in needs)),
        profile=rulebook.demand.profile,
    )


def _was_read(position: int, stands: SourceState) -> bool:
    """Whether the agent has passed this id and does not wait for it."""
    waited = any(gap.state == "open" and gap.lo <= position <= gap.hi for gap in stands.gaps)
    return position <= stands.position and not waited
