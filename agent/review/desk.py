"""What somebody says to decisions that wait: each answer with what became of it, none stopped by another."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
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
from agent.review.approving import Approving

Result = dict[str, Any]


class Desk:
    """Approves and rejects; results are what JSON can carry."""

    def __init__(self, writer: Writer, recorder: Recorder, pipeline: Pipeline, clock: Clock) -> None:
        self._writer = writer
        self._recorder = recorder
        self._clock = clock
        self._approving = Approving(writer, recorder, pipeline, clock)
        self._again = Again(pipeline, recorder)

    async def approve(
        self,
        *,
        decisions: list[int],
        by: str,
        reason: str = "",
        amounts: dict[str, int] | None = None,
        dry_run: bool = False,
    ) -> list[Result]:
        """Book what held decisions promised, or ``amounts`` of it (smallest units by currency).

        One result each: the entry's outcome, or why it cannot be booked. With ``dry_run`` nothing stands.
        """
        results: list[Result] = []
        for number in decisions:
            following = _Following(self._again, self._clock.now(), dry_run=dry_run)
            try:
                decided = await self._approving.approve(
                    number, Correction(reason=reason, by=by), amounts, then=following
                )
            except InvalidInputError as exc:
                results.append(_refused(number, exc))
            except _OnlyLookedError as looked:
                results.append(_approved(number, looked.decided))
            else:
                results.append(_approved(number, decided))
                results.extend(_told(following.freed))
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
        return results + _told(freed)

    async def apply(self, *, verdicts: list[dict[str, Any]], by: str, dry_run: bool = False) -> list[Result]:
        """Many verdicts at once, each a decision, a verdict (`approve` or `reject`), a reason and amounts.

        What stands as the verdict says is left as it is, so that a file may be applied again.
        """
        standing = await self._writer.run(partial(_states, numbers=[each["decision"] for each in verdicts]))
        results: list[Result] = []
        for each in verdicts:
            number, approving = each["decision"], each["verdict"] == "approve"
            if standing.get(number) == ("approved" if approving else "rejected"):
                results.append({"decision": number, "outcome": "stands", "reason": f"{standing[number]} already"})
            elif approving:
                reason, amounts = each.get("reason", ""), each.get("amounts")
                results += await self.approve(
                    decisions=[number], by=by, reason=reason, amounts=amounts, dry_run=dry_run
                )
            elif dry_run:
                still = standing.get(number)
                told = {"outcome": "rejected"} if still == "open" else _not_open(number, still)
                results.append({"decision": number} | told)
            else:
                results += await self.reject(decisions=[number], by=by, reason=each["reason"])
        return results


class _OnlyLookedError(Exception):
    """Ends a unit whose outcome was only wanted: nothing of it stands."""

    def __init__(self, decided: Decision) -> None:
        super().__init__()
        self.decided = decided


class _Following:
    """What follows an approval in its transaction: what a smaller amount sets free is decided again."""

    def __init__(self, again: Again, now: int, *, dry_run: bool) -> None:
        self._again = again
        self._now = now
        self._dry_run = dry_run
        self.freed: list[Decision] = []

    async def __call__(self, connection: aiosqlite.Connection, number: int, held: Decision, decided: Decision) -> None:
        if self._dry_run:
            raise _OnlyLookedError(decided)
        if held.reserves and decided.postings != held.postings:
            self.freed = await self._again.decide(connection, {number: held.reserves}, self._now)


async def _states(connection: aiosqlite.Connection, numbers: list[int]) -> dict[int, str]:
    rows = await connection.execute_fetchall(
        "SELECT h.decision_no, h.state FROM json_each(?) w CROSS JOIN hold h ON h.decision_no = w.value",
        (json.dumps(numbers),),
    )
    return {int(number): str(state) for number, state in rows}


def _not_open(number: int, state: str | None) -> Result:
    why = f"decision {number} is {state} already" if state else f"no decision {number} is held"
    return {"outcome": "refused", "reason": why, "hint": "see: rewards-agent review list --state all"}


def _told(freed: list[Decision]) -> list[Result]:
    counted = Counter(one.learner for one in freed if one.outcome not in (Outcome.refused, Outcome.reversed))
    return [
        {"decision": 0, "outcome": "decided again", "learner": learner, "count": count}
        for learner, count in counted.items()
    ]


def _refused(number: int, exc: InvalidInputError) -> Result:
    return {"decision": number, "outcome": "refused", "reason": exc.message, "hint": exc.hint}


def _approved(number: int, decided: Decision) -> Result:
    postings = {posting.currency: posting.amount for posting in decided.postings}
    paid = decided.outcome is Outcome.awarded
    outcome = decided.outcome.name if paid else f"counted: {decided.reason}"
    return {"decision": number, "outcome": outcome, "postings": postings}
