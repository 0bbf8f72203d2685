"""A page of what happened before, judged and booked anew beside what was said of it then; inside the writer's unit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import aiosqlite

from agent.arriving.spared import spared
from agent.backfill import then
from agent.backfill.asked import Asked, Outcomes
from agent.clock import Clock
from agent.engine import booking, evaluate
from agent.engine.derived import fold as derived
from agent.engine.evaluate import Verdict
from agent.engine.experiment.groups import HELD_OUT
from agent.engine.rulebook import Rulebook
from agent.engine.sighting import again
from agent.ledger import corrections
from agent.ledger.corrections import Correction
from agent.ledger.past import decided
from agent.ledger.past.decided import NO_SET, Hold, Word
from agent.ledger.record import Recorder
from agent.model import Decision, Event, Outcome
from agent.pipeline import Pipeline

CHANGES_MAX = 200
"""Differences of one page that are told one by one."""

Words = Mapping[tuple[int, str, str], Word]
"""(event_no, role, rule id) → what was said last."""


class Deciding:
    """Decides pages again, for whoever asks."""

    def __init__(self, recorder: Recorder, pipeline: Pipeline, clock: Clock) -> None:
        self._recorder = recorder
        self._pipeline = pipeline
        self._clock = clock

    async def decide(
        self, connection: aiosqlite.Connection, asked: Asked, rulebook: Rulebook, events: Sequence[Event]
    ) -> Outcomes:
        """What one page comes to, recorded."""
        now, version_no = self._clock.now(), await _version_no(connection, rulebook.version)
        theirs = await self._theirs(connection, asked, events, version_no)
        whole = await self._with_brought(connection, rulebook, theirs, version_no)
        by_id = {event.event_id: event for event in whole}
        numbers = await decided.numbers(connection, whole)
        said = await decided.words(connection, asked.rules, numbers.values())
        judged = [verdict for event in whole for verdict in evaluate.judge(event, rulebook)]
        counts = Counter[str](events=len(theirs))
        if asked.compensate:
            counts["compensated"] = await self._compensate(connection, asked, judged, numbers, said)
        slots = _slots(judged)
        anew = [one for one in judged if not _stands(one, _word(said, numbers, one), slots, rulebook.version, asked)]
        counts["stood"] = len(judged) - len(anew)
        tried = [verdict for verdict in anew if _was_tried(_word(said, numbers, verdict))]
        waits = {key: _waits(word, rulebook.version) for key, word in said.items()} if asked.waiting else {}
        decisions = _answering(await self._book(connection, anew, tried), numbers, waits)
        counts["stood"] += len(anew) - len(decisions)
        await self._recorder.settle(connection, by_id, decisions, numbers=numbers, version_no=version_no, now=now)
        decisions = [*decisions, *await self._pipeline.follow(connection, decisions, by_id)]
        counts.update(decision.outcome.name for decision in decisions)
        postings = Counter[str]()
        for decision in decisions:
            if decision.outcome in (Outcome.awarded, Outcome.reversed):
                postings.update({posting.currency: posting.amount for posting in decision.postings})
        return Outcomes(counts=counts, postings=postings, changes=_changes(decisions, by_id, numbers, said))

    async def _theirs(
        self, connection: aiosqlite.Connection, asked: Asked, events: Sequence[Event], version_no: int
    ) -> list[Event]:
        """Those that are meant, each once and of whom it is now; what a log told that was not recorded, is."""
        aliases = await self._pipeline.whose.now(connection)
        left = spared(events, self._pipeline.whose.erased.by_now())
        once = list({event.event_id: event for event in left}.values())
        once = self._pipeline.whose.agreed_then(once)
        fresh = await self._recorder.fresh(connection, once) if asked.log else []
        if fresh:
            await self._recorder.record(connection, fresh, [], version_no=version_no, now=self._clock.now())
        if aliases:
            once = [replace(event, seen=aliases.of(event.seen)) for event in once]
        return [event for event in once if asked.which.fits(event)]

    async def _with_brought(
        self, connection: aiosqlite.Connection, rulebook: Rulebook, events: list[Event], version_no: int
    ) -> list[Event]:
        """The events and what they brought about, which is recorded where it was not."""
        if not (rulebook.derivations or rulebook.listened):
            return events
        whole = await self._pipeline.brought(connection, events, rulebook)
        made = await self._recorder.fresh(connection, [event for event in whole if derived.is_derived(event.seen)])
        await self._recorder.record(connection, made, [], version_no=version_no, now=self._clock.now())
        return whole

    async def _book(
        self, connection: aiosqlite.Connection, verdicts: Sequence[Verdict], tried: Sequence[Verdict]
    ) -> list[Decision]:
        """Book them, with the sets as they were then; what those only ``tried`` had of them is theirs to be paid."""
        if not verdicts:
            return []
        past = await self._pipeline.past(connection, booking.wants(verdicts))
        await decided.free(connection, then.given_back(tried, past.uses))
        then.turned_back(verdicts, past.uses)
        return booking.book(verdicts, past, shadow=False)

    async def _compensate(
        self,
        connection: aiosqlite.Connection,
        asked: Asked,
        judged: Sequence[Verdict],
        numbers: Mapping[bytes, int],
        said: Words,
    ) -> int:
        """Answer the awards that the rules would not make now, by what can be judged without the past.

        Nothing is taken back because its learner is in a comparison group by now: an experiment only withholds.
        """
        pays = {
            (numbers[verdict.event.event_id], verdict.payee.role, verdict.rule.id)
            for verdict in judged
            if not verdict.reason or verdict.hold is not None or verdict.reason.startswith(HELD_OUT)
        }
        correction = Correction(reason=f"{asked.why} and would not pay this", by=asked.by)
        answered = 0
        for rule in sorted(asked.rules):
            gone = [
                word.decision_no
                for key, word in said.items()
                if key[2] == rule and word.outcome is Outcome.awarded and key not in pays
            ]
            for seq in await decided.unreversed(connection, rule, gone):
                await corrections.reverse(
                    connection, self._recorder, seq=seq, correction=correction, now=self._clock.now()
                )
                answered += 1
        return answered


async def _version_no(connection: aiosqlite.Connection, version: str) -> int:
    async with connection.execute("SELECT version_no FROM rules_version WHERE version = ?", (version,)) as found:
        row = await found.fetchone()
    return int(row[0]) if row else 0


def _word(said: Words, numbers: Mapping[bytes, int], of: Verdict) -> Word | None:
    return said.get((numbers[of.event.event_id], of.payee.role, of.rule.id))


def _was_tried(word: Word | None) -> bool:
    return word is not None and word.outcome is Outcome.shadow


_Slots = Mapping[tuple[bytes, str, str], set[int]]
"""(event id, role, rule id) → what its verdicts would add to sets: one act may be several steps of a challenge."""


def _slots(judged: Sequence[Verdict]) -> _Slots:
    found: defaultdict[tuple[bytes, str, str], set[int]] = defaultdict(set)
    for one in judged:
        found[_about(one)].add(_slot(one))
    return found


def _about(one: Verdict) -> tuple[bytes, str, str]:
    return one.event.event_id, one.payee.role, one.rule.id


def _slot(one: Verdict) -> int:
    return NO_SET if one.act is None else one.act.slot


def _stands(verdict: Verdict, word: Word | None, slots: _Slots, version: str, asked: Asked) -> bool:
    if word is None:
        return False
    slot = _slot(verdict)
    if slot in word.settled:
        return True
    # What rules of before held for something that these do not know is answered by whatever these say of the act.
    waits = _waits(word, version) if asked.waiting else {}
    if any(where == slot or where not in slots[_about(verdict)] for where in waits):
        return False
    if slot in word.waiting:
        return True
    let_in = word.reason.startswith(HELD_OUT) and not verdict.reason.startswith(HELD_OUT)
    return not let_in and word.stands(version)


def _waits(word: Word, version: str) -> dict[int, Hold]:
    """What rules of other versions hold that they may not ask: nothing is reserved for it."""
    return {slot: one for slot, one in word.waiting.items() if one.why in again.WAITING and one.version != version}


def _answering(
    decisions: Sequence[Decision], numbers: Mapping[bytes, int], waits: Mapping[tuple[int, str, str], dict[int, Hold]]
) -> list[Decision]:
    """The decisions, the first of each rule closing the holds that are answered; what only waits on is left out."""
    found = []
    left = {key: dict(holds) for key, holds in waits.items()}
    for decision in decisions:
        holds, slot = left.get(_key(decision, numbers), {}), decided.slot_of(decision.uses)
        if decision.outcome is Outcome.held and slot in holds and decision.hold == holds[slot].why:
            del holds[slot]
        else:
            found.append(decision)
    for place, decision in enumerate(found):
        closes = {hold.decision_no for hold in left.pop(_key(decision, numbers), {}).values()}
        if closes:
            found[place] = replace(decision, supersedes=tuple(sorted({*decision.supersedes, *closes})))
    return found


def _key(decision: Decision, numbers: Mapping[bytes, int]) -> tuple[int, str, str]:
    return numbers[decision.event_id], decision.role, decision.rule_id


def _changes(
    decisions: Sequence[Decision], events: Mapping[bytes, Event], numbers: Mapping[bytes, int], said: Words
) -> list[dict[str, Any]]:
    """What each decision that is not what it was says now, and what was said before."""
    found: list[dict[str, Any]] = []
    for decision in decisions:
        event = events.get(decision.event_id)
        number = numbers.get(decision.event_id, 0)
        word = said.get((number, decision.role, decision.rule_id))
        before = "" if word is None else _told(word.outcome, word.reason)
        now = _told(decision.outcome, decision.reason)
        if before == now or (word is None and decision.outcome is Outcome.refused):
            continue
        if len(found) == CHANGES_MAX:
            break
        seen = event.seen if event is not None else None
        found.append(
            {
                "event_id": decision.event_id.hex(),
                "log": f"{seen.source}:{seen.position}" if seen is not None else "",
                "occurred_at": seen.occurred_at if seen is not None else None,
                "learner": decision.learner,
                "rule": decision.rule_id,
                "before": before,
                "now": now,
                "amounts": {posting.currency: posting.amount for posting in decision.postings}
                if decision.outcome in (Outcome.awarded, Outcome.reversed)
                else {},
            }
        )
    return found


def _told(outcome: Outcome, reason: str) -> str:
    return f"{outcome.name}: {reason}" if reason else outcome.name
