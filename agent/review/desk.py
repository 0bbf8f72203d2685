"""What somebody says to decisions that wait: each answer with what became of it, none stopped by another."""

from __future__ import annotations

from typing import Any

import aiosqlite

from agent.clock import Clock
from agent.errors import InvalidInputError
from agent.ledger import corrections
from agent.ledger.corrections import Correction
from agent.ledger.record import Recorder, reserving
from agent.ledger.writer import Writer
from agent.model import Decision, Outcome
from agent.pipeline import Pipeline
from agent.review.again import Again

Result = dict[str, Any]


class Desk:
    """Approves and rejects; results are what JSON can carry."""

    def __init__(self, writer: Writer, recorder: Recorder, pipeline: Pipeline, clock: Clock) -> None:
        self._writer = writer
        self._recorder = recorder
        self._pipeline = pipeline
        self._clock = clock
        self._again = Again(pipeline, recorder)

    async def approve(self, *, decisions: list[int], by: str, reason: str = "") -> list[Result]:
        """Book what held decisions promised; one result each: the entry's outcome, or why it cannot be booked."""
        results = []
        for number in decisions:
            try:
                decided = await self._pipeline.approve(number, Correction(reason=reason, by=by))
            except InvalidInputError as exc:
                results.append(_refused(number, exc))
            else:
                results.append(_approved(number, decided))
        return results

    async def reject(self, *, decisions: list[int], by: str, reason: str) -> list[Result]:
        """Close held decisions without paying; the reason is what the learner is told.

        What they kept is free, and what was refused because of them is decided again, all in one transaction.
        """
        correction, now = Correction(reason=reason, by=by), self._clock.now()

        async def unit(connection: aiosqlite.Connection) -> tuple[list[Result], list[Decision]]:
            results: list[Result] = []
            closed = []
            for number in decisions:
                try:
                    await corrections.close_hold(
                        connection, decision_no=number, state="rejected", correction=correction, now=now
                    )
                except InvalidInputError as exc:
                    results.append(_refused(number, exc))
                else:
                    closed.append(number)
                    results.append({"decision": number, "outcome": "rejected"})
            names, people = self._recorder.names, self._recorder.people
            released = await reserving.release(connection, names, people, closed)
            return results, await self._again.decide(connection, released, now)

        results, freed = await self._writer.run(unit)
        for learner in dict.fromkeys(one.learner for one in freed):
            told = [one for one in freed if one.learner == learner]
            results.append({"decision": 0, "outcome": "decided again", "learner": learner, "count": len(told)})
        return results


def _refused(number: int, exc: InvalidInputError) -> Result:
    return {"decision": number, "outcome": "refused", "reason": exc.message, "hint": exc.hint}


def _approved(number: int, decided: Decision) -> Result:
    postings = {posting.currency: posting.amount for posting in decided.postings}
    paid = decided.outcome is Outcome.awarded
    outcome = decided.outcome.name if paid else f"counted: {decided.reason}"
    return {"decision": number, "outcome": outcome, "postings": postings}
