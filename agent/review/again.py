"""What a hold for review had blocked and a rejection sets free: decided again, the oldest arrival first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import aiosqlite

from agent.engine import booking
from agent.engine.evaluate import Verdict
from agent.engine.review import set_free
from agent.errors import ConfigError
from agent.ledger.past import again as past_again
from agent.ledger.past import refused
from agent.ledger.past.refused import Refusal
from agent.ledger.record import Recorder
from agent.ledger.rules import versions
from agent.model import Decision, Event, Use, UseKey
from agent.pipeline import Pipeline


class Again:
    """Decides refusals again by the version that refused them, inside one of the writer's units."""

    def __init__(self, pipeline: Pipeline, recorder: Recorder) -> None:
        self._pipeline = pipeline
        self._recorder = recorder

    async def decide(
        self, connection: aiosqlite.Connection, released: Mapping[int, Sequence[Use]], now: int
    ) -> list[Decision]:
        """What is decided otherwise now that these uses are free (by the number of the decision that kept them).

        Looked at are refusals of the same learners that came later, whose quota counts where something was freed. Those
        that are refused again for the same reason stay as they are, unless what came after them waits and may be why.
        """
        if not released:
            return []
        freed = frozenset((use.meter, use.bucket, use.learner) for uses in released.values() for use in uses)
        aliases = await self._pipeline.whose.now(connection)
        learners = {one for _, _, learner in freed if learner for one in (learner, *aliases.of_learner(learner))}
        found = [
            replace(one, event=replace(one.event, seen=aliases.of(one.event.seen)))
            for one in await refused.after(connection, released, learners)
        ]
        blocked = [(refusal, verdict) for refusal in found if (verdict := self._blocked(refusal, freed)) is not None]
        last = await self._last_words(connection, [refusal.event_no for refusal, _ in blocked])
        decided: list[Decision] = []
        for version, group in groupby(blocked, key=lambda each: each[0].version):
            again = [(refusal, verdict) for refusal, verdict in group if refusal.decision_no in last]
            if again:
                decided += await self._settle(connection, version, again, now)
        return decided

    def _blocked(self, refusal: Refusal, freed: frozenset[UseKey]) -> Verdict | None:
        """The verdict to book again, where what refused it counts in what was freed."""
        try:
            rulebook = self._pipeline.rulebook_of(refusal.version)
        except ConfigError:
            return None  # that version's rules cannot be read any more: what they said stands
        said = (refusal.event, refusal.rule_id, refusal.role, refusal.reason)
        return set_free.blocked(*said, rulebook=rulebook, freed=freed)

    async def _last_words(self, connection: aiosqlite.Connection, event_nos: Iterable[int]) -> frozenset[int]:
        """The numbers of the newest decisions about these events."""
        words = await past_again.words(connection, sorted(set(event_nos)))
        return frozenset(word.number for said in words.values() for word in said)

    async def _settle(
        self, connection: aiosqlite.Connection, version: str, again: Sequence[tuple[Refusal, Verdict]], now: int
    ) -> list[Decision]:
        shadow = self._pipeline.shadow
        verdicts = [verdict for _, verdict in again]
        past = await self._pipeline.past(connection, booking.wants(verdicts, shadow=shadow))
        set_free.taken_out(verdicts, past.uses)
        waits = await refused.newest_reserve(connection, {verdict.learner for verdict in verdicts})
        before = {
            (one.event.event_id, one.rule_id, one.role, one.reason)
            for one, verdict in again
            if waits.get(verdict.learner, 0) < one.decision_no
        }
        decisions = set_free.otherwise(booking.book(verdicts, past, shadow=shadow), before)
        events: dict[bytes, Event] = {refusal.event.event_id: refusal.event for refusal, _ in again}
        await self._recorder.settle(
            connection,
            events,
            decisions,
            numbers={refusal.event.event_id: refusal.event_no for refusal, _ in again},
            version_no=await versions.number(connection, version),
            now=now,
        )
        return decisions
