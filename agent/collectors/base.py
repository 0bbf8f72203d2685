"""The Collector contract: a numbered source that tells what it saw, page by page, and judges nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.model import Demand, Observation, Page, SourceState


class Collector(Protocol):
    """One configured source."""

    @property
    def name(self) -> str:
        """The source's configured name."""
        ...

    def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        """Pages from where ``state`` says, in order.

        When this resumes after a `yield`, every page before that one is on disk, and that one is being written.
        ``demand`` is asked once per page, so that a reload of the rules takes effect at the next page. With ``follow``
        it polls for ever and yields when something changed (and a heartbeat a minute); without, it ends once it has
        read to the newest number that was there at the start (at least one page is always yielded).

        Raises:
            IntegrityError: the source is not the source it was (truncated, an older copy); this source must stop.
            TransientError: it could not be reached; the caller backs off and calls again with the stored state.
            ConfigError: credentials, names or tables are wrong, and an edit cures it.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """Observations with what was found about them; ``owed`` are the positions of those to look at again.

    ``reached`` is whether whoever was asked answered at all, ``refused`` that something they know was not told to us.
    """

    observations: Sequence[Observation]
    owed: frozenset[int]
    reached: bool
    refused: bool = False


class LookUps(Protocol):
    """Somebody who knows what posts do not tell."""

    def ready(self) -> bool:
        """Whether there is any use in asking now."""
        ...

    async def add(self, seen: Sequence[Observation], demand: Demand) -> LookedUp:
        """The observations with the demanded facts that can be found. No trouble of whoever is asked is raised."""
        ...
