"""Badges that follow from what was appended by hand: judged in the same transaction, each by an entry of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

import aiosqlite

from agent.engine.recognition import asked
from agent.engine.recognition.record import Act
from agent.errors import IntegrityError
from agent.ledger.past import standing
from agent.ledger.record import Movement, Recorder
from agent.ledger.record.people import Person
from agent.model import Decision, StateRequest
from agent.pipeline import Pipeline

T = TypeVar("T")
Unit = Callable[[aiosqlite.Connection], Awaitable[T]]

BY_HAND = "manual"
"""The source of entries that no event made."""


class Following:
    """Lets badges follow from what a unit of the writer appends. A rulebook without criteria asks nothing."""

    def __init__(self, pipeline: Pipeline, recorder: Recorder) -> None:
        self._pipeline = pipeline
        self._recorder = recorder

    def after(self, unit: Unit[T], now: int) -> Unit[T]:
        """The same unit, with the badges that follow for everybody whose accounts it moved."""

        async def followed(connection: aiosqlite.Connection) -> T:
            before = await standing.newest(connection)
            result = await unit(connection)
            await self.since(connection, before, now)
            return result

        return followed

    async def since(self, connection: aiosqlite.Connection, before: int, now: int) -> list[Decision]:
        """Append the badges that follow for everybody whose accounts entries after ``before`` moved; what it was."""
        if self._pipeline.rulebook.recognition is None:
            return []
        return await self.settle(connection, await standing.moved_since(connection, before), now)

    async def settle(
        self, connection: aiosqlite.Connection, learners: Iterable[str], now: int, *, write: bool = True
    ) -> list[Decision]:
        """Judge every badge of these learners and append what is due; what it was. Without ``write`` only look."""
        recognition = self._pipeline.rulebook.recognition
        who = sorted(learners)
        if recognition is None or not who:
            return []
        nothing = StateRequest(rows=frozenset(), totals=frozenset(), holds=frozenset())
        past = await self._pipeline.past(connection, asked.of(nothing, recognition, who))
        act = Act(event_id=b"", role="subject", at=now, say=lambda template: template)
        due = [
            (number, decision)
            for learner in who
            for number, decision in enumerate(
                past.record.settle(recognition, learner, act, past.uses),
                1,
            )
        ]
        if write and due:
            people = await self._recorder.people.find_or_make(connection, [one.learner for _, one in due], now)
            made: dict[tuple[str, int], int] = {}
            for number, decision in due:
                made[decision.learner, number] = await self._append(connection, decision, people, made, now)
        return [decision for _, decision in due]

    async def _append(
        self,
        connection: aiosqlite.Connection,
        decision: Decision,
        people: Mapping[str, Person],
        made: Mapping[tuple[str, int], int],
        now: int,
    ) -> int:
        """One entry, and the uses it takes or gives back; its seq."""
        award = decision.reverses
        marker = 0 if award is None else award.marker or made[decision.learner, award.number]
        reverses = "" if award is None else await standing.entry_id(connection, marker)
        movement = Movement(
            kind="award" if award is None else "reversal",
            person=people[decision.learner],
            currency=decision.postings[0].currency,
            amount=decision.postings[0].amount,
            rule_id=decision.rule_id,
            rules_version=decision.rules_version,
            source=BY_HAND,
            trust="server_verified",
            occurred_at=now,
            reason=decision.reason,
            reverses=reverses,
        )
        seqs = await self._recorder.append(connection, [movement], now)
        if len(seqs) != 1:
            raise IntegrityError("an entry of a badge was not appended")
        if award is None:
            await self._recorder.write_uses(connection, [(use, seqs[0]) for use in decision.uses], people)
        else:
            await standing.free(connection, marker)
        return seqs[0]
