"""What a page says beside what is recorded: what it adds, and what states and posts that lack something told before."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Self

import aiosqlite

from agent.config.ways_in import SUFFIX
from agent.engine.sighting import again, partial, untold
from agent.engine.sighting.completed import Completed
from agent.ledger.merging.aliases import Aliases
from agent.ledger.past import again as past_again
from agent.ledger.past.seen import partial as past_partial
from agent.ledger.past.seen import untold as past_untold
from agent.model import Event


async def completed(
    connection: aiosqlite.Connection, events: Sequence[Event], known: Mapping[bytes, tuple[int, Event]], merged: Aliases
) -> Completed:
    """What sightings add to ``known`` events (number and event by id); it is kept at once."""
    found: dict[bytes, tuple[int, Event]] = {}
    for event in events:
        if event.event_id in known:
            number, before = known[event.event_id]
            whole = again.merged(before, event)
            if whole is not None:
                found[event.event_id] = number, whole
    if not found:
        return Completed()
    await past_again.keep(connection, dict(found.values()))
    said = await past_again.words(connection, [number for number, _ in found.values()])
    return Completed(
        events={
            event_id: dataclasses.replace(whole, seen=merged.of(whole.seen)) for event_id, (_, whole) in found.items()
        },
        numbers={event_id: number for event_id, (number, _) in found.items()},
        said={event_id: said.get(number, ()) for event_id, (number, _) in found.items()},
        of_new_kind=frozenset(
            event_id for event_id, (_, whole) in found.items() if known[event_id][1].seen.kind != whole.seen.kind
        ),
    )


async def compared(connection: aiosqlite.Connection, events: list[Event], source: str, *, states: bool) -> list[Event]:
    """Of states, what no recorded event told; of other events, those about recorded states as sightings of them.

    ``states`` is whether any recorded event came from a state table.
    """
    if source.endswith(SUFFIX):
        recorded = await past_untold.recorded(
            connection, untold.around(events), untold.names(events), untold.learners(events)
        )
        return untold.unmatched(events, recorded)
    if not states:
        return events
    found = await past_untold.states(
        connection, untold.around_told(events), untold.names(events), untold.learners(events)
    )
    return untold.recognised(events, found) if found else events


class Beside:
    """What a page is compared with before it is taken. Each is asked for only once any such event is recorded.

    ``states`` came from a state table, ``partial`` from a post that lacks a part of its key.
    """

    __slots__ = ("partial", "states")

    def __init__(self, *, states: bool, partial: bool) -> None:
        self.states = states
        self.partial = partial

    @classmethod
    async def load(cls, connection: aiosqlite.Connection) -> Self:
        """What is recorded of either sort."""
        return cls(states=await past_untold.any_states(connection), partial=await past_partial.any_lacking(connection))

    async def compared(
        self, connection: aiosqlite.Connection, events: list[Event], source: str, now: int
    ) -> list[Event]:
        """The events of a page as they are to be taken: of states what is new, of others what they are about."""
        events = await compared(connection, events, source, states=self.states)
        lacking = [event for event in events if partial.lacks(event)]
        if not lacking and not self.partial:
            return events
        return await _matched(connection, events, lacking, now)

    async def remember(
        self, connection: aiosqlite.Connection, fresh: Collection[Event], numbers: Mapping[bytes, int], source: str
    ) -> None:
        """Keep which of the events just recorded are to be compared with later ones."""
        if source.endswith(SUFFIX):
            await past_untold.keep(connection, fresh, numbers)
            self.states = True
        lacking = [event for event in fresh if partial.lacks(event)]
        if lacking:
            await past_partial.keep(connection, lacking, numbers)
            self.partial = True


async def _matched(
    connection: aiosqlite.Connection, events: list[Event], lacking: Collection[Event], now: int
) -> list[Event]:
    """Posts that lack a part of their key, beside what is told of the same seconds."""
    whole = {event.seen.occurred_at for event in events if not partial.lacks(event)}
    waiting = [
        partial.Lacking(number=number, event=event, told=told, paid=paid)
        for number, event, told, paid in await past_partial.lacking_at(connection, whole)
    ]
    times = {event.seen.occurred_at for event in (*lacking, *(one.event for one in waiting))}
    matched = partial.matched(events, waiting, await past_partial.whole_at(connection, times))
    if matched.told:
        await past_partial.tell(connection, matched.told, matched.settled, now)
    if matched.completed:
        await past_partial.complete(connection, matched.completed)
    return matched.events
