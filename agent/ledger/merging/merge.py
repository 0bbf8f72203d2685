"""Making one of two accounts, by entries: what FROM has is answered there and given to INTO. A unit of the writer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiosqlite
import orjson

from agent.errors import InvalidInputError
from agent.ledger import codec
from agent.ledger.corrections import Correction
from agent.ledger.merging import aliases, held
from agent.ledger.merging.plan import ONCE, Change, Most, Plan, planned
from agent.ledger.money import instead
from agent.ledger.record import Movement, Recorder
from agent.ledger.record.people import Person, split_learner
from agent.ledger.record.undoing import is_object
from agent.model import Award, Decision, Event, Outcome, Posting, Use

_ALIAS = """
INSERT INTO alias (site, lms_user, into_site, into_user, merged_at, merged_by, reason) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_EVENTS = """
SELECT v.event_no, v.event_id, n.text, v.position, v.occurred_at, v.trust, v.payload
FROM json_each(?) w CROSS JOIN event v ON v.event_no = w.value JOIN name n ON n.no = v.source_no
"""
_SETS = """
INSERT OR IGNORE INTO quota_use (meter_no, bucket, person_no, slot, at, amount, seq)
SELECT no, ?, ?, ?, ?, ?, ? FROM name WHERE kind = 'meter' AND text = ?
"""
_GONE = """
DELETE FROM quota_use WHERE meter_no = (SELECT no FROM name WHERE kind = 'meter' AND text = ?)
AND bucket = ? AND person_no = ? AND slot = ?
"""
_EXPIRED = "SELECT of, sum(amount) FROM statement WHERE person_no = ? AND kind = 'expiry' GROUP BY of"
_EXPIRY = """
INSERT INTO statement (after_seq, person_no, currency, kind, amount, of, occurred_at, recorded_at)
VALUES (?, ?, ?, 'expiry', ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Who becomes whom, by whom and why. ``word`` begins every reason."""

    source: str
    target: str
    correction: Correction
    most: Most
    version: tuple[str, int]
    now: int
    word: str = "merged"


async def checked(connection: aiosqlite.Connection, source: str, target: str) -> str | None:
    """The account that ``target`` is now, or None where ``source`` is that already.

    Raises:
        InvalidInputError: they are one account, no learners, or ``source`` is somebody else's already.
    """
    if not (all(split_learner(source)) and all(split_learner(target))):
        raise InvalidInputError("that is no learner", hint="name the site and the LMS user id of both: moodle:35")
    known = await aliases.load(connection)
    root, whose = known.learner(target), known.learner(source)
    if source == root:
        raise InvalidInputError(f"{source} cannot be merged into itself", hint="name the account that stays second")
    if whose == root:
        return None
    if whose != source:
        raise InvalidInputError(f"{source} was merged into {whose} already", hint=f"merge {whose} into {target}")
    return root


async def plan_of(connection: aiosqlite.Connection, recorder: Recorder, merge: Merge) -> Plan:
    """What `carry_out` would change."""
    found = await recorder.people.find(connection, [merge.source, merge.target])
    source, target = found.get(merge.source), found.get(merge.target)
    if source is None:
        return Plan()
    if target is None:
        return await planned(connection, source.person_no, 0, merge.most)
    return await planned(connection, source.person_no, target.person_no, merge.most, both=(source, target))


async def carry_out(connection: aiosqlite.Connection, recorder: Recorder, merge: Merge) -> Plan:
    """Do it; what was done. The account is an alias from now on."""
    plan = await plan_of(connection, recorder, merge)
    await given_over(connection, recorder, merge, plan)
    answered = [(seq,) for seq in plan.anew]
    await connection.executemany("UPDATE restored_award SET undone = 1 WHERE first_seq = ?", answered)
    mine = await held.of(connection, merge.source)
    await held.over(connection, (merge.source, merge.target), plan, mine, by=merge.correction.by, now=merge.now)
    said = merge.correction
    await alias(connection, merge.source, merge.target, by=said.by, reason=said.reason, now=merge.now)
    return plan


async def given_over(connection: aiosqlite.Connection, recorder: Recorder, merge: Merge, plan: Plan) -> None:
    """Append what a plan changes, and let the uses that belong to no award be INTO's."""
    people = await recorder.people.find_or_make(connection, [merge.source, merge.target], merge.now)
    source, target = people[merge.source], people[merge.target]
    generations = dict(plan.slots)
    events = await events_of(connection, [change.paid.event_no for change in plan.changes])
    expired = {of: -amount for of, amount in await connection.execute_fetchall(_EXPIRED, (source.person_no,))}
    for change in plan.changes:
        owner = target if change.of_into else source
        about = events.get(change.paid.event_no or 0)
        made = _Made(merge, change, owner, target, generations)
        pairs = await (
            made.by_hand(connection, recorder) if about is None else made.decided(connection, recorder, about)
        )
        await instead.same_terms(connection, ((one.entry["entry_id"], one.answer, one.gift) for one in pairs))
        await _expired_too(connection, pairs, expired, target, merge.now)
    for use in plan.sets:
        await connection.execute(
            _SETS, (use.bucket, target.person_no, use.slot, use.at, use.amount, use.seq, use.meter)
        )
        if is_object(use.meter):  # one that stayed behind would be undone a second time
            await connection.execute(_GONE, (use.meter, use.bucket, source.person_no, use.slot))


async def alias(connection: aiosqlite.Connection, source: str, target: str, *, by: str, reason: str, now: int) -> None:
    """``source`` is ``target``'s account from now on; what was held because of it waits no longer."""
    account, into = split_learner(source), split_learner(target)
    await connection.execute(_ALIAS, (*account, *into, now, by, reason))
    await connection.execute("DELETE FROM link_held WHERE site = ? AND lms_user = ?", account)
    await held.others(connection, source, target)
    # Whose account it is now belongs to what a lost disk would lose: the sealed copy is made anew.
    await connection.execute("UPDATE person SET kept_under = '' WHERE site = ? AND lms_user = ?", into)


class _Pair(NamedTuple):
    """An entry that was answered at FROM, and the seqs of the answer and of what INTO got instead."""

    entry: Mapping[str, Any]
    answer: int
    gift: int


class _Made:
    """One change as what is to be appended."""

    def __init__(
        self, merge: Merge, change: Change, owner: Person, target: Person, generations: dict[tuple[str, str], int]
    ) -> None:
        self._merge = merge
        self._change = change
        self._owner = owner
        self._target = target
        self._generations = generations

    def given(self) -> Sequence[Mapping[str, Any]]:
        """The entries that INTO gets anew."""
        return [one for one in self._change.paid.entries if one["currency"] not in self._change.dropped]

    async def decided(
        self, connection: aiosqlite.Connection, recorder: Recorder, about: tuple[int, Event]
    ) -> list[_Pair]:
        """As decisions about the event that earned it; what was given over."""
        event_no, event = about
        decisions = [self._answer(event)]
        if self._change.verb == "moved":
            decisions.append(self._gift(event))
        await recorder.settle(
            connection,
            {event.event_id: event},
            decisions,
            numbers={event.event_id: event_no},
            version_no=self._merge.version[1],
            now=self._merge.now,
        )
        if self._change.verb != "moved":
            return []
        ((newest,),) = await connection.execute_fetchall("SELECT max(seq) FROM entry")
        first_gift = newest - len(self.given()) + 1
        first_answer = first_gift - len(self._change.paid.entries)
        return self._pairs(range(first_answer, first_gift), range(first_gift, newest + 1))

    def _pairs(self, answers: Iterable[int], gifts: Iterable[int]) -> list[_Pair]:
        answered = {one["entry_id"]: seq for one, seq in zip(self._change.paid.entries, answers, strict=True)}
        return [_Pair(one, answered[one["entry_id"]], seq) for one, seq in zip(self.given(), gifts, strict=True)]

    def _reason(self) -> str:
        why = f" ({self._change.why})" if self._change.why else ""
        return f"{self._merge.word}{why}: {self._merge.correction.text()}"

    def _uses(self) -> tuple[Use, ...]:
        return tuple(
            Use(
                meter=use.meter,
                bucket=use.bucket,
                learner=use.learner,
                at=use.at,
                amount=use.amount,
                slot=use.slot,
            )
            for use in self._change.paid.uses
        )

    def _theirs(self, learner: str) -> str:
        """Whose a use is at INTO: nobody's, or somebody else's who did what the award was for, stays that."""
        return self._target.learner if learner == self._owner.learner else learner

    def _answer(self, event: Event) -> Decision:
        paid, first = self._change.paid, self._change.paid.entries[0]
        postings = tuple(Posting(currency=one["currency"], amount=one["amount"]) for one in paid.entries)
        award = Award(
            marker=paid.marker,
            when=(event.seen.occurred_at, event.seen.position),
            role=paid.role,
            learner=self._owner.learner,
            scope="",
            generation=first.get("generation", 0),
            postings=postings,
            uses=self._uses(),
            entries=tuple(one["entry_id"] for one in paid.entries),
        )
        return Decision(
            event_id=event.event_id,
            rule_id=first["rule"],
            rules_version=first["rules_version"],
            role=paid.role,
            learner=self._owner.learner,
            outcome=Outcome.reversed,
            generation=award.generation,
            reason=self._reason(),
            postings=tuple(Posting(currency=one.currency, amount=-one.amount) for one in postings),
            reverses=award,
        )

    def _gift(self, event: Event) -> Decision:
        first = self._change.paid.entries[0]
        once = self._change.paid.once
        generation = 0
        if once is not None:
            key = (once.meter, once.bucket)
            generation = self._generations[key] = self._generations.get(key, -1) + 1
        uses = tuple(
            Use(
                meter=use.meter,
                bucket=use.bucket,
                learner=self._theirs(use.learner),
                at=use.at,
                amount=use.amount,
                slot=generation if use.meter.startswith(ONCE) else -1,
            )
            for use in self._uses()
            if use.meter not in self._change.dropped
        )
        return Decision(
            event_id=event.event_id,
            rule_id=first["rule"],
            rules_version=first["rules_version"],
            role=self._change.paid.role,
            learner=self._target.learner,
            outcome=Outcome.awarded,
            scope=once.bucket if once is not None else "",
            generation=generation,
            reason=f"{self._reason()}; instead of {', '.join(one['entry_id'] for one in self.given())}",
            postings=tuple(Posting(currency=one["currency"], amount=one["amount"]) for one in self.given()),
            uses=uses,
        )

    async def by_hand(self, connection: aiosqlite.Connection, recorder: Recorder) -> list[_Pair]:
        """Of what no event earned: the same entries as corrections by hand make."""
        paid = self._change.paid
        answers = [self._moved(one, self._owner, "reversal", -one["amount"], one["entry_id"]) for one in paid.entries]
        gifts = [self._moved(one, self._target, paid.kind, one["amount"], "") for one in self.given()]
        answered = await recorder.append(connection, answers, self._merge.now)
        await connection.execute("UPDATE quota_use SET freed = 1 WHERE seq = ?", (paid.marker,))
        if self._change.verb != "moved":
            return []
        seqs = await recorder.append(connection, gifts, self._merge.now)
        uses = [
            Use(
                meter=one.meter,
                bucket=one.bucket,
                learner=self._theirs(one.learner),
                at=one.at,
                amount=one.amount,
            )
            for one in self._uses()
        ]
        people = {self._target.learner: self._target}
        await recorder.write_uses(connection, [(use, seqs[0]) for use in uses], people)
        return self._pairs(answered, seqs)

    def _moved(self, one: Mapping[str, Any], who: Person, kind: Any, amount: int, reverses: str) -> Movement:
        return Movement(
            kind=kind,
            person=who,
            currency=one["currency"],
            amount=amount,
            rule_id=one["rule"],
            rules_version=one["rules_version"],
            source=one["source"],
            trust=one["trust"],
            occurred_at=one["occurred_at"],
            reason=self._reason() if reverses else f"{self._reason()}; instead of {one['entry_id']}",
            reverses=reverses,
        )


async def events_of(connection: aiosqlite.Connection, event_nos: Iterable[int | None]) -> dict[int, tuple[int, Event]]:
    """Number → number and event, of those that are events."""
    numbers = sorted({number for number in event_nos if number})
    rows = await connection.execute_fetchall(_EVENTS, (orjson.dumps(numbers).decode(),))
    return {
        number: (
            number,
            codec.decode_event(
                payload, source=source, position=position, occurred_at=at, event_id=event_id, trust=trust
            ),
        )
        for number, event_id, source, position, at, trust, payload in rows
    }


async def _expired_too(
    connection: aiosqlite.Connection, pairs: Iterable[_Pair], expired: Mapping[str, int], target: Person, now: int
) -> None:
    """What had expired does not come back with the account."""
    for one in pairs:
        if gone := expired.get(one.entry["entry_id"]):
            rows = await connection.execute_fetchall(
                "SELECT CAST(body AS TEXT) ->> 'entry_id' FROM entry WHERE seq = ?", (one.gift,)
            )
            ((entry_id,),) = rows
            about = (one.gift, target.person_no, one.entry["currency"], -gone, entry_id, now, now)
            await connection.execute(_EXPIRY, about)
