"""A run as one transaction: its prizes, or a draw's announcement, and that it is over. Twice is once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import aiosqlite

from agent.engine import booking
from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Timed
from agent.engine.schedule.compiling import SOURCE
from agent.engine.timing.timetable import run_name
from agent.ledger.reading import DRAW_PREFIX
from agent.ledger.record import Movement, Recorder
from agent.ledger.record.people import Person
from agent.ledger.rules import versions
from agent.ledger.schedule import runs
from agent.ledger.schedule.runs import Run
from agent.model import Decision, Outcome
from agent.pipeline import Pipeline
from wire import draw

INSTITUTION = Person(person_no=0, learner="", secret=b"", pseudonym="institution")
"""Whose entries announcements are: nobody's wallet moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a run came to: decisions by outcome, and entries."""

    outcomes: Mapping[Outcome, int]
    entries: int


class Books:
    """Writes runs. ``shadow`` decides and reports, and pays nothing."""

    def __init__(self, recorder: Recorder, pipeline: Pipeline, *, shadow: bool) -> None:
        self._recorder = recorder
        self._pipeline = pipeline
        self._shadow = shadow

    async def close(
        self, connection: aiosqlite.Connection, run: Run, verdicts: Sequence[Verdict], now: int
    ) -> Recorded | None:
        """Book the prizes and close the run (a unit for the writer); None where it was closed already."""
        if await runs.is_closed(connection, run.scheduled, run.nominal):
            return None
        events = [verdict.event for verdict in verdicts]
        fresh = {event.event_id for event in await self._recorder.fresh(connection, events)} if events else set()
        judged = [verdict for verdict in verdicts if verdict.event.event_id in fresh]
        decisions: list[Decision] = []
        entries = 0
        if judged:
            past = await self._pipeline.past(connection, booking.wants(judged, shadow=self._shadow))
            decisions = booking.book(judged, past, shadow=self._shadow)
            number = await versions.number(connection, run.rules_version)
            kept = [verdict.event for verdict in judged]
            entries = await self._recorder.record(connection, kept, decisions, version_no=number, now=now)
        outcomes = Counter(decision.outcome for decision in decisions)
        told = {**run.report, "outcomes": {outcome.name: count for outcome, count in sorted(outcomes.items())}}
        await runs.keep(connection, replace(run, state="closed", report=told, decided_at=now))
        return Recorded(outcomes=outcomes, entries=entries)

    async def announce(
        self, connection: aiosqlite.Connection, run: Run, timed: Timed, tickets: Mapping[str, int], now: int
    ) -> Run | None:
        """Fix a draw's list in the chain (a unit for the writer); None where that was done already.

        The announcement is an adjustment by nothing on an account of its own, which every catalogue takes as it is.
        """
        if await runs.is_kept(connection, run.scheduled, run.nominal):
            return None
        people = await self._recorder.people.find_or_make(connection, list(tickets), now)
        text = draw.list_text({people[who].pseudonym: count for who, count in tickets.items()})
        spec = timed.spec.draw
        announced = draw.Announcement(
            run=run_name(run.scheduled, run.nominal),
            winners=spec.winners if spec is not None else 0,
            participants=len(tickets),
            tickets=sum(tickets.values()),
            digest=draw.digest(text),
            seed=spec.seed if spec is not None else "receipt",
            note=spec.announce if spec is not None else "",
        )
        movement = Movement(
            kind="adjustment",
            person=INSTITUTION,
            currency=f"{DRAW_PREFIX}{run.scheduled}",
            amount=0,
            rule_id=run.scheduled,
            rules_version=run.rules_version,
            source=SOURCE,
            trust="server_verified",
            occurred_at=run.nominal,
            reason=announced.text(),
        )
        (seq,) = await self._recorder.append(connection, [movement], now)
        kept = replace(run, state="announced", announced_seq=seq, participants=text, decided_at=now)
        await runs.keep(connection, kept)
        return kept
