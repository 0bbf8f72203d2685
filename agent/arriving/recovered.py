"""After a restore from the catalogue: what of a page was paid before, and what is only recognised and not decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import aiosqlite

from agent.engine import booking
from agent.engine.evaluate import Verdict
from agent.engine.past.undo import Acts
from agent.ledger.record import Recorder
from agent.ledger.recovery import recognising
from agent.ledger.recovery.recognising import Wish
from agent.model import Decision, Event, Page, Use

Verdicts = dict[bytes, tuple[Verdict, ...]]
"""event_id → what the rules say of it."""


class Recovery:
    """What is still to be recognised: by source, up to which positions acts were decided before.

    Nothing is left in a ledger that was never restored. All of it is asked inside the writer's units.
    """

    def __init__(self) -> None:
        self._upto: Mapping[str, int] | None = None
        self._known = False

    def forget(self) -> None:
        """A unit was rolled back: a source that was passed in it is not passed."""
        self._known = False

    async def read(self, connection: aiosqlite.Connection) -> None:
        """As the ledger has it."""
        self._upto = await recognising.load(connection)
        self._known = True

    async def of(
        self,
        connection: aiosqlite.Connection,
        recorder: Recorder,
        page: Page,
        events: Sequence[Event],
        verdicts: Verdicts,
        recorded: Collection[bytes],
        version_no: int,
        *,
        now: int,
    ) -> Mapping[bytes, int]:
        """Recognise what was paid; only what is left to decide stays in ``verdicts``.

        Acts that were read before the restore and were not paid then are not paid now. ``recorded`` are the ids of
        those of ``events`` that are recorded already, ``version_no`` is the number of the rules in force. Returns the
        numbers of events that were recorded here.
        """
        if not self._known:
            await self.read(connection)
        if self._upto is None:
            return {}
        fresh = {event.event_id for event in events if event.event_id not in recorded}
        wishes, places = _wishes(events, verdicts)
        found = await recognising.recognise(connection, recorder, wishes, fresh=fresh, version_no=version_no, now=now)
        upto = self._upto.get(page.source, 0)
        old = {event.event_id for event in events if event.event_id in fresh and event.seen.position <= upto}
        await recorder.keep(connection, _notes(wishes, found.paid, old), now)
        verdicts.update(dict.fromkeys(old, ()))
        paid = {places[place] for place in found.paid}
        for event_id in {event_id for event_id, _ in paid} - old:
            numbered = enumerate(verdicts[event_id])
            verdicts[event_id] = tuple(verdict for number, verdict in numbered if (event_id, number) not in paid)
        return found.numbers

    async def passed(self, connection: aiosqlite.Connection, page: Page) -> None:
        """A page is taken: where its source is read to where it had been, its acts are decided from here on."""
        if not self._known:
            await self.read(connection)
        upto = None if self._upto is None else self._upto.get(page.source)
        if upto is not None and page.state.position >= upto:
            await recognising.passed(connection, page.source)
            await self.read(connection)


def _wishes(events: Sequence[Event], verdicts: Verdicts) -> tuple[list[Wish], list[tuple[bytes, int]]]:
    """What each rule would do if nothing had happened before, and which verdict of which event that is."""
    wishes: list[Wish] = []
    places: list[tuple[bytes, int]] = []
    for event in events:
        for number, verdict in enumerate(verdicts.get(event.event_id, ())):
            if verdict.undoes or not verdict.learner:
                continue
            wishes.append(Wish(event, verdict.rule.id, verdict.learner, verdict.scope, partial(_alone, verdict)))
            places.append((event.event_id, number))
    return wishes, places


def _alone(verdict: Verdict) -> Decision:
    return booking.book([verdict], booking.State.load((), {}, Acts()), shadow=False)[0]


def _notes(wishes: Sequence[Wish], paid: Collection[int], old: Collection[bytes]) -> list[Use]:
    """The members of sets that these acts are, whether or not they were paid."""
    return [
        note
        for place, wish in enumerate(wishes)
        if place in paid or wish.event.event_id in old
        for note in wish.alone().notes
    ]
