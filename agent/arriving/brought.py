"""Events that other events bring about, from sets that the ledger keeps; inside the writer's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aiosqlite

from agent.engine.challenge import completing
from agent.engine.challenge.completing import Told
from agent.engine.derived import fold as derived
from agent.engine.evaluate import Verdict
from agent.engine.quota import Uses
from agent.engine.rulebook import Rulebook
from agent.ledger import state
from agent.ledger.record import Recorder
from agent.model import Decision, Event, StateRequest


class Brought:
    """What acts of a page make whole: programmes, before anything is judged, and challenges, before it is booked."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def derived(
        self, connection: aiosqlite.Connection, events: list[Event], rulebook: Rulebook, now: int, *, again: bool
    ) -> list[Event]:
        """Events with what they bring about after each (see `derived.fold`).

        What is new in the sets is kept; without ``again``, what is recorded already is left out.
        """
        wanted = derived.wants(events, rulebook)
        if wanted is None:
            return events
        found = derived.fold(events, rulebook, await self._sets(connection, wanted), again=again)
        await self._recorder.keep(connection, found.notes, now)
        made = [event for event in found.events if derived.is_derived(event.seen)]
        if again or not made:
            return list(found.events)
        new = {event.event_id for event in await self._recorder.fresh(connection, made)}
        return [event for event in found.events if not derived.is_derived(event.seen) or event.event_id in new]

    async def completed(
        self, connection: aiosqlite.Connection, verdicts: list[Verdict], rulebook: Rulebook, *, shadow: bool
    ) -> Told:
        """The verdicts to book, with those of the challenges that they complete (see `completing.fold`)."""
        wanted = completing.wants(verdicts, rulebook) if rulebook.listened else None
        if wanted is None:
            return Told(verdicts, {})
        told = completing.fold(verdicts, rulebook, await self._sets(connection, wanted), shadow=shadow)
        made = told.events
        if not made:
            return told
        new = {event.event_id for event in await self._recorder.fresh(connection, made)}
        return told.without(event.event_id for event in made if event.event_id not in new)

    async def completed_by(
        self,
        connection: aiosqlite.Connection,
        decisions: Sequence[Decision],
        events: Mapping[bytes, Event],
        rulebook: Rulebook,
    ) -> list[Event]:
        """What recorded decisions about recorded ``events`` (by their id) completed, and is not recorded yet."""
        wanted = completing.sets_of(decisions, rulebook)
        if wanted is None:
            return []
        uses = await self._sets(connection, wanted)
        made = [
            one
            for decision in decisions
            for one in completing.after([decision], events[decision.event_id], rulebook, uses)
        ]
        return await self._recorder.fresh(connection, made)

    async def complete_before(
        self, connection: aiosqlite.Connection, events: list[Event], rulebook: Rulebook
    ) -> list[Event]:
        """Recorded events with the challenges that were complete at each of them: for a rule that came later."""
        wanted = completing.wants_before(events, rulebook)
        return events if wanted is None else completing.before(events, rulebook, await self._sets(connection, wanted))

    async def _sets(self, connection: aiosqlite.Connection, wanted: StateRequest) -> Uses:
        return Uses(await state.load_uses(connection, wanted, self._recorder.names, self._recorder.people))
