"""One step of the main job: a page in, entries out, in one transaction together with the cursor.

Everything that needs no past is judged before the transaction; inside it the known events are dropped, the state the
rest needs is read in bulk, the decisions are folded over it and everything is written in bulk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import aiosqlite

from agent.clock import Clock
from agent.engine import booking, evaluate, trust
from agent.engine.rules import Rulebook
from agent.ledger import sources, state, versions
from agent.ledger.record import Recorder
from agent.ledger.writer import Writer
from agent.model import Decision, Outcome, Page, SourceState, Trust

RULEBOOKS_KEPT = 2
"""A page is decided by the rules whose filter fetched it: after a reload the older ones serve what is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one page came to: counts of observations, fresh events, entries, and decisions by outcome."""

    source: str
    observed: int
    fresh: int
    entries: int
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)


class Pipeline:
    """Takes pages. One for the whole agent, since all of them end in one ledger.

    ``ceilings`` gives each source's highest trust; ``shadow`` decides and reports everything and pays nothing.
    """

    def __init__(
        self, writer: Writer, recorder: Recorder, *, ceilings: Mapping[str, Trust], clock: Clock, shadow: bool
    ) -> None:
        self._writer = writer
        self._recorder = recorder
        self._ceilings = ceilings
        self._clock = clock
        self._shadow = shadow
        self._rulebooks: dict[str, Rulebook] = {}
        self._version_numbers: dict[str, int] = {}
        self._saved: dict[str, SourceState] = {}

    @property
    def rulebook(self) -> Rulebook:
        """The rules in force."""
        return next(reversed(self._rulebooks.values()))

    async def adopt(self, rulebook: Rulebook, text: str) -> None:
        """Put ``rulebook`` in force from the next page on; its ``text`` is kept for ever beside its version."""
        now = self._clock.now()

        async def unit(connection: aiosqlite.Connection) -> int:
            number = await versions.keep(connection, rulebook.version, text, now)
            await versions.give_history(connection, self._recorder, rulebook.meters, partial(booking.uses_of, rulebook))
            return number

        self._version_numbers[rulebook.version] = await self._writer.run(unit)
        self._rulebooks.pop(rulebook.version, None)
        self._rulebooks[rulebook.version] = rulebook
        for version in list(self._rulebooks)[:-RULEBOOKS_KEPT]:
            del self._rulebooks[version]

    async def take(self, page: Page) -> Tally:
        """Record a page with everything that follows from it; when this returns it is on disk.

        Raises:
            TransientError: nothing of the page stands (disk full, locked); take it again later.
        """
        rulebook = self._rulebooks[page.rules_version]
        ceiling = self._ceilings[page.source]
        events = [trust.tag(seen, ceiling) for seen in page.observations]
        verdicts = {event.event_id: evaluate.judge(event, rulebook) for event in events}
        now = self._clock.now()
        decisions: list[Decision] = []

        async def unit(connection: aiosqlite.Connection) -> tuple[int, int]:
            fresh = await self._recorder.fresh(connection, events) if events else []
            entries = 0
            if fresh:
                judged = [verdict for event in fresh for verdict in verdicts[event.event_id]]
                request = booking.wants(judged)
                uses = await state.load_uses(connection, request, self._recorder.names, self._recorder.people)
                holds = await state.load_holds(connection, request.holds)
                decisions.extend(booking.book(judged, booking.State.load(uses, holds), shadow=self._shadow))
                entries = await self._recorder.record(
                    connection, fresh, decisions, version_no=self._version_numbers[rulebook.version], now=now
                )
            await sources.save(connection, page.source, page.state, self._saved.get(page.source), now)
            return len(fresh), entries

        fresh, entries = await self._writer.run(unit)
        self._saved[page.source] = page.state
        return Tally(
            source=page.source,
            observed=len(events),
            fresh=fresh,
            entries=entries,
            outcomes=Counter(decision.outcome for decision in decisions),
            reasons=Counter(decision.reason for decision in decisions if decision.reason),
        )

    def resume(self, source: str, stored: SourceState | None) -> SourceState:
        """The state to read ``source`` from, which is also what the next save is compared with."""
        if stored is not None:
            self._saved[source] = stored
            return stored
        self._saved.pop(source, None)
        return SourceState()
