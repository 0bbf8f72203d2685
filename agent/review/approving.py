"""A held decision that somebody approves is booked, with everything that follows from it, in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

import aiosqlite

from agent.clock import Clock
from agent.engine.past import following
from agent.engine.review import approval
from agent.engine.rulebook import Rulebook
from agent.errors import ConfigError, InvalidInputError
from agent.ledger import corrections
from agent.ledger.corrections import Correction
from agent.ledger.past import promised
from agent.ledger.past.promised import Promised
from agent.ledger.record import Recorder, reserving
from agent.ledger.rules import versions
from agent.ledger.writer import Writer
from agent.model import Decision, Event, Outcome
from agent.pipeline import Pipeline

Then = Callable[[aiosqlite.Connection, int, Decision, Decision], Awaitable[None]]
"""(connection of the unit, the number and the held decision, what its approval came to)."""


class Approving:
    """Books what was held, by the rules that held it."""

    def __init__(self, writer: Writer, recorder: Recorder, pipeline: Pipeline, clock: Clock) -> None:
        self._writer = writer
        self._recorder = recorder
        self._pipeline = pipeline
        self._clock = clock

    async def approve(
        self,
        decision_no: int,
        correction: Correction,
        wanted: Mapping[str, int] | None = None,
        then: Then | None = None,
    ) -> Decision:
        """Book what a held decision promised (or ``wanted``, smallest units), within what quotas and caps leave now.

        ``then`` does in the same transaction what follows.

        Raises:
            InvalidInputError: nothing of that number is held, a quota is full by now (which one is said), ``wanted`` is
                outside the rule's guardrails, or the rules that held it cannot be read any more.
        """
        with self._pipeline.reading() as reader:
            found = promised.promised(reader, decision_no)
        approval.require_agreement(found.decision, found.event.seen)
        held_under = self._rules_of(decision_no, found.decision.rules_version)

        async def unit(connection: aiosqlite.Connection) -> Decision:
            await corrections.close_hold(
                connection, decision_no=decision_no, state="approved", correction=correction, now=self._clock.now()
            )
            names, people = self._recorder.names, self._recorder.people
            await reserving.release(connection, names, people, [decision_no], forget=True)
            decision = await self._booked(connection, decision_no, found, held_under, wanted)
            if then is not None:
                await then(connection, decision_no, found.decision, decision)
            return decision

        return await self._writer.run(unit)

    def _rules_of(self, decision_no: int, version: str) -> Rulebook:
        try:
            return self._pipeline.rulebook_of(version)
        except ConfigError:
            raise InvalidInputError(
                f"the rules that held decision {decision_no} cannot be read by this version any more",
                hint="reject it, and give what it promised by hand: rewards-agent ledger adjust",
            ) from None

    async def _booked(
        self,
        connection: aiosqlite.Connection,
        decision_no: int,
        found: Promised,
        held_under: Rulebook,
        wanted: Mapping[str, int] | None,
    ) -> Decision:
        """What the approval comes to, recorded with the badges and challenges that follow from it."""
        held, pipeline, rulebook = found.decision, self._pipeline, self._pipeline.rulebook
        aliases = await pipeline.whose.now(connection)
        event = replace(found.event, seen=aliases.of(found.event.seen))
        source = event.seen.source
        past = await pipeline.past(connection, approval.wants(held, held_under, rulebook, source=source))
        decision = approval.approve(held, held_under, rulebook, past, wanted, source=source)
        followed = following.after([decision], event, held.role, rulebook.recognition, past)
        # What it adds to a set is believed now, whether or not the set is complete.
        if decision.outcome is not Outcome.awarded and not decision.notes:
            raise InvalidInputError(
                f"decision {decision_no} cannot be paid any more: {decision.reason}",
                hint="approve less (--amount) where that fits, reject it, or type: rewards-agent ledger adjust",
            )
        about: Mapping[bytes, Event] = {event.event_id: event}
        numbers, now = {event.event_id: found.event_no}, self._clock.now()
        settle = partial(self._recorder.settle, connection, about, numbers=numbers, now=now)
        number = await versions.number(connection, held.rules_version)
        await settle([decision], version_no=number, approved=True)
        if followed:
            await settle(followed, version_no=await versions.number(connection, rulebook.version))
        await pipeline.follow(connection, [decision], about)
        return decision
