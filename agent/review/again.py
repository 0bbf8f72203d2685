"""What a hold for review had kept from others and is free: decided again, the oldest arrival first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import aiosqlite

from agent.engine import booking
from agent.engine.evaluate import Verdict
from agent.engine.past import following
from agent.engine.recognition import asked
from agent.engine.review import raising, set_free
from agent.errors import ConfigError
from agent.ledger.money import instead
from agent.ledger.past import again as past_again
from agent.ledger.past import later, standing
from agent.ledger.past.later import Later
from agent.ledger.record import Recorder
from agent.ledger.rules import versions
from agent.model import Award, Decision, Event, Outcome, Use, UseKey
from agent.pipeline import Pipeline


class Again:
    """Decides again by the version that decided, inside one of the writer's units."""

    def __init__(self, pipeline: Pipeline, recorder: Recorder) -> None:
        self._pipeline = pipeline
        self._recorder = recorder

    async def decide(
        self, connection: aiosqlite.Connection, released: Mapping[int, Sequence[Use]], now: int
    ) -> list[Decision]:
        """What is decided otherwise now that these uses are free (by the number of the decision that kept them).

        Looked at is what came later to the same learners and was refused, or cut to fit, by a quota that counts where
        something was freed. What is refused again for the same reason stays as it is, unless what came after it waits
        and may be why.
        """
        if not released:
            return []
        freed = frozenset((use.meter, use.bucket, use.learner) for uses in released.values() for use in uses)
        aliases = await self._pipeline.whose.now(connection)
        learners = {one for _, _, learner in freed if learner for one in (learner, *aliases.of_learner(learner))}
        found = [
            replace(one, event=replace(one.event, seen=aliases.of(one.event.seen)))
            for one in await later.after(connection, released, learners)
        ]
        blocked = [(one, verdict) for one in found if (verdict := self._blocked(one, freed)) is not None]
        last = await self._last_words(connection, [one.event_no for one, _ in blocked])
        blocked = [(one, verdict) for one, verdict in blocked if one.decision_no in last]
        decided: list[Decision] = []
        for (version, refused), group in groupby(blocked, key=lambda each: (each[0].version, _was_refused(each[0]))):
            if refused:
                decided += await self._settle(connection, version, list(group), now)
                continue
            for one, verdict in group:
                decided += await self._raise(connection, one, verdict, now)
        return decided

    def _blocked(self, one: Later, freed: frozenset[UseKey]) -> Verdict | None:
        """The verdict to book again, where what refused or cut it counts in what was freed."""
        try:
            # What was refused or cut by a quota had not been held out: some of it was paid after an experiment.
            rulebook = self._pipeline.rulebook_of(one.version).for_everybody()
        except ConfigError:
            return None  # that version's rules cannot be read any more: what they said stands
        about = (one.event, one.rule_id, one.role)
        if _was_refused(one):
            return set_free.blocked(*about, one.reason, rulebook=rulebook, freed=freed)
        verdict = raising.cut(*about, rulebook=rulebook, freed=freed)
        return verdict if verdict is not None and verdict.postings != one.postings else None

    async def _last_words(self, connection: aiosqlite.Connection, event_nos: Iterable[int]) -> frozenset[int]:
        """The numbers of the newest decisions about these events."""
        words = await past_again.words(connection, sorted(set(event_nos)))
        return frozenset(word.number for said in words.values() for word in said)

    async def _raise(self, connection: aiosqlite.Connection, one: Later, verdict: Verdict, now: int) -> list[Decision]:
        """What was cut to fit, with all that fits: an award answered and given anew, a hold held anew."""
        waits = one.outcome is Outcome.held
        held = await later.kept(connection, one) if waits else None
        paid = None if waits else await later.paid(connection, one, verdict.learner)
        award = held[0] if held is not None else paid
        if award is None:
            return []
        recognition, request = self._pipeline.rulebook.recognition, booking.wants([verdict])
        if recognition is not None:
            request = asked.of(request, recognition, [verdict.learner])
        past = await self._pipeline.past(connection, request)
        answer = raising.raised(verdict, award, past)
        if answer is None:
            return []
        if held is not None:
            decisions = [raising.held_anew(verdict, award, answer, one.reason, held[1])]
        else:
            decisions = raising.given_anew(verdict, award, answer)
        await self._record(connection, one, decisions, one.version, now, approved=True)
        if held is None:
            await instead.same_terms(connection, _pairs(award, decisions[-1], await standing.newest(connection)))
        followed = following.after(decisions, verdict.event, one.role, recognition, past)
        if followed:
            await self._record(connection, one, followed, self._pipeline.rulebook.version, now)
        return [*decisions, *followed]

    async def _record(
        self,
        connection: aiosqlite.Connection,
        one: Later,
        decisions: Sequence[Decision],
        version: str,
        now: int,
        *,
        approved: bool = False,
    ) -> None:
        event_id = one.event.event_id
        await self._recorder.settle(
            connection,
            {event_id: one.event},
            decisions,
            numbers={event_id: one.event_no},
            version_no=await versions.number(connection, version),
            now=now,
            approved=approved,
        )

    async def _settle(
        self, connection: aiosqlite.Connection, version: str, again: Sequence[tuple[Later, Verdict]], now: int
    ) -> list[Decision]:
        shadow = self._pipeline.shadow
        verdicts = [verdict for _, verdict in again]
        past = await self._pipeline.past(connection, booking.wants(verdicts, shadow=shadow))
        set_free.taken_out(verdicts, past.uses)
        waits = await later.newest_reserve(connection, {verdict.learner for verdict in verdicts})
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


def _pairs(award: Award, given: Decision, newest: int) -> list[tuple[str, int, int]]:
    """Each entry of an award, the seq of its answer and of what is given instead: these are the ``newest`` entries."""
    gifts = [posting.currency for posting in given.postings if posting.amount]
    first = newest - len(gifts) + 1
    answers = range(first - len(award.entries), first)
    currencies = [posting.currency for posting in award.postings]
    return [
        (entry_id, answer, first + gifts.index(currency))
        for entry_id, answer, currency in zip(award.entries, answers, currencies, strict=True)
    ]


def _was_refused(one: Later) -> bool:
    return one.outcome is Outcome.refused
