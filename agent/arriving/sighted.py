"""What a page says beside what is recorded: what it adds, and what a state table told before the log."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import aiosqlite

from agent.engine.sighting import again, untold
from agent.engine.sighting.completed import Completed
from agent.ledger.merging.aliases import Aliases
from agent.ledger.past import again as past_again
from agent.ledger.past import untold as past_untold
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
    if source.endswith(untold.SUFFIX):
        recorded = await past_untold.recorded(connection, untold.around(events), untold.names(events))
        return untold.unmatched(events, recorded)
    if not states:
        return events
    found = await past_untold.states(connection, untold.around_told(events))
    return untold.recognised(events, found) if found else events


async def remember(
    connection: aiosqlite.Connection, fresh: Collection[Event], numbers: Mapping[bytes, int], source: str
) -> None:
    """Keep which of the events just recorded came from a state table."""
    if source.endswith(untold.SUFFIX):
        await past_untold.keep(connection, fresh, numbers)
