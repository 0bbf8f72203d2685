"""What was decided after a hold, with its events: what may be decided again when that is set free."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import aiosqlite
import orjson

from agent.ledger import codec
from agent.ledger.past import decided
from agent.model import Award, Event, Outcome, Posting, Use
from wire import entry as wire_entry

# What came later is walked once, whatever is settled at a time: acts that arrived later (a hold may be the second word
# about an old one), and second words about acts that arrived before.
_AFTER = """
SELECT d.decision_no, d.event_no, r.text, d.role, d.outcome, d.reason, d.detail, v.version,
       e.event_id, s.text, e.position, e.occurred_at, e.trust, e.payload
FROM decision d JOIN event e ON e.event_no = d.event_no JOIN name r ON r.no = d.rule_no
JOIN rules_version v ON v.version_no = d.version_no JOIN name s ON s.no = e.source_no
WHERE (d.event_no >= (SELECT min(event_no) FROM decision WHERE decision_no IN (SELECT value FROM json_each(:held)))
       OR d.decision_no > (SELECT min(value) FROM json_each(:held)))
  AND d.outcome IN (:refused, :awarded, :held) AND d.learner IN (SELECT value FROM json_each(:learners))
ORDER BY d.event_no, d.decision_no
"""

_NEWEST_RESERVE = """
SELECT h.learner, max(h.decision_no) FROM hold h
WHERE h.state = 'open' AND h.kind = 'review' AND CAST(h.promise AS TEXT) ->> 'r' IS NOT NULL
  AND h.learner IN (SELECT value FROM json_each(?)) GROUP BY h.learner
"""


# What somebody approved has the amounts that they saw.
_APPROVED = """
SELECT 1 FROM decision d JOIN hold h ON h.decision_no = d.decision_no JOIN name r ON r.no = d.rule_no
WHERE d.event_no = ? AND r.text = ? AND d.role = ? AND h.state = 'approved'
"""
_ENTRIES = """
SELECT e.body FROM entry f CROSS JOIN entry e ON e.seq BETWEEN f.seq AND f.seq + 50 AND e.decision_no = f.decision_no
WHERE f.seq = ? ORDER BY e.seq
"""
_USES = """
SELECT n.text, u.bucket, coalesce(p.site || ':' || p.lms_user, ''), u.at, u.amount, u.slot
FROM quota_use u JOIN name n ON n.no = u.meter_no LEFT JOIN person p ON p.person_no = u.person_no
WHERE u.seq = ? AND u.freed = 0 ORDER BY n.text, u.bucket
"""
_PROMISE = """
SELECT h.learner, h.scope, h.promise, coalesce(CAST(d.detail AS TEXT) ->> 'g', 0)
FROM hold h JOIN decision d ON d.decision_no = h.decision_no
WHERE h.decision_no = ? AND h.state = 'open' AND h.kind = 'review'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """One decision (awarded, held or refused), its event and the version of the rules that decided.

    ``scope`` and ``postings`` as it said them.
    """

    decision_no: int
    event_no: int
    rule_id: str
    role: str
    outcome: Outcome
    reason: str
    scope: str
    postings: tuple[Posting, ...]
    version: str
    event: Event


async def after(connection: aiosqlite.Connection, held: Iterable[int], learners: Iterable[str]) -> list[Later]:
    """What came to these learners (``<site>:<LMS user id>``) after any of these decisions, in order of arrival."""
    outcomes = {name: int(Outcome[name]) for name in ("refused", "awarded", "held")}
    asked = {"held": json.dumps(list(held)), "learners": json.dumps(sorted(learners))} | outcomes
    rows = await connection.execute_fetchall(_AFTER, asked)
    found = []
    for number, event_no, rule_id, role, outcome, reason, detail, version, event_id, source, *event in rows:
        position, at, trust, payload = event
        said = orjson.loads(detail) if detail else {}
        one = Later(
            decision_no=number,
            event_no=event_no,
            rule_id=rule_id,
            role=role,
            outcome=Outcome(outcome),
            reason=reason,
            scope=said.get("s", ""),
            postings=tuple(Posting(currency=currency, amount=amount) for currency, amount in said.get("p", ())),
            version=version,
            event=codec.decode_event(
                payload, source=source, position=position, occurred_at=at, event_id=event_id, trust=trust
            ),
        )
        found.append(one)
    return found


async def paid(connection: aiosqlite.Connection, one: Later, learner: str) -> Award | None:
    """What stands of an award to ``learner``; None where nothing does, or a person approved its amounts."""
    if list(await connection.execute_fetchall(_APPROVED, (one.event_no, one.rule_id, one.role))):
        return None
    markers = await decided.unreversed(connection, one.rule_id, [one.decision_no])
    if not markers:
        return None
    bodies = [wire_entry.decode(body) for (body,) in await connection.execute_fetchall(_ENTRIES, (markers[0],))]
    uses = await connection.execute_fetchall(_USES, (markers[0],))
    return Award(
        marker=markers[0],
        when=(one.event.seen.occurred_at, one.event.seen.position),
        role=one.role,
        learner=learner,
        scope=one.scope,
        generation=bodies[0].get("generation", 0),
        postings=tuple(Posting(currency=body["currency"], amount=body["amount"]) for body in bodies),
        uses=tuple(
            Use(meter=meter, bucket=bucket, learner=who, at=at, amount=amount, slot=slot)
            for meter, bucket, who, at, amount, slot in uses
        ),
        entries=tuple(body["entry_id"] for body in bodies),
    )


async def kept(connection: aiosqlite.Connection, one: Later) -> tuple[Award, tuple[Use, ...]] | None:
    """What an open hold for review promises and reserves, and its uses beside; None where it is settled."""
    for learner, scope, promise, generation in await connection.execute_fetchall(_PROMISE, (one.decision_no,)):
        postings, uses = codec.decode_promise(promise)
        reserves = codec.decode_reserves(promise, one.decision_no)
        award = Award(
            marker=-one.decision_no,
            when=(one.event.seen.occurred_at, one.event.seen.position),
            role=one.role,
            learner=learner,
            scope=scope,
            generation=generation,
            postings=postings,
            uses=reserves,
        )
        return (award, uses[len(reserves) :]) if reserves else None
    return None


async def newest_reserve(connection: aiosqlite.Connection, learners: Iterable[str]) -> dict[str, int]:
    """By learner the newest decision that waits for a person and keeps something from what is decided beside it."""
    rows = await connection.execute_fetchall(_NEWEST_RESERVE, (json.dumps(sorted(learners)),))
    return {str(learner): int(number) for learner, number in rows}
