"""What the rules would make of acts that were never decided, against the ledger as it stands; nothing is written."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.config.settings import Settings
    from agent.engine.booking import State
    from agent.engine.evaluate import Verdict
    from agent.engine.rulebook import Rulebook
    from agent.model import Decision, Event, Observation

Decided = Collection[tuple[bytes, str]]
"""(event id, rule id) of what the ledger decided already."""


def believed(settings: Settings, acts: Iterable[Observation]) -> list[Event]:
    """Acts with their identity and the trust that their source may claim; a fact that was logged twice is one."""
    from agent.engine import trust
    from agent.wiring.rules import ceilings_of

    ceilings = ceilings_of(settings)
    events: dict[bytes, Event] = {}
    for seen in acts:
        event = trust.tag(seen, ceilings[seen.source])
        events.setdefault(event.event_id, event)
    return list(events.values())


async def judged(
    settings: Settings, rulebook: Rulebook, events: Sequence[Event], decided: Decided, never: Mapping[bytes, str]
) -> Mapping[bytes, list[Decision]]:
    """Event id → what each rule that has not ``decided`` it would say; each visible to the next, as in a page.

    ``never`` says of events whose learner takes no part why they earn nothing.
    """
    from agent.engine import booking, evaluate

    verdicts: dict[bytes, list[Verdict]] = {
        event.event_id: [
            verdict if event.event_id not in never else verdict._replace(reason=never[event.event_id], hold=None)
            for verdict in evaluate.judge(event, rulebook)
            if (event.event_id, verdict.rule.id) not in decided
        ]
        for event in events
    }
    shadow = settings.agent.mode == "shadow"
    state = await _past(settings, [one for each in verdicts.values() for one in each], shadow=shadow)
    return {event_id: booking.book(each, state, shadow=shadow) for event_id, each in verdicts.items()}


async def _past(settings: Settings, verdicts: Sequence[Verdict], *, shadow: bool) -> State:

    from agent.engine import booking
    from agent.engine.recognition.record import Record
    from agent.ledger import file, state
    from agent.ledger.past import standing
    from agent.ledger.record.names import Names
    from agent.ledger.record.people import People

    async with contextlib.AsyncExitStack() as stack:
        connection = await stack.enter_async_context(file.connect_for_reading(settings.agent.data_dir))
        await connection.execute("PRAGMA temp_store = MEMORY")
        request = booking.wants(verdicts, shadow=shadow)
        uses = await state.load_uses(connection, request, Names(), People())
        holds = await state.load_holds(connection, request.holds)
        found = await standing.load(
            connection,
            Names(),
            People(),
            wanted=request.standing,
            given=request.given,
            learners=request.learners if request.standing else (),
        )
    return booking.State.load(uses, holds, None, Record(found.numbers, found.given, found.barred))
