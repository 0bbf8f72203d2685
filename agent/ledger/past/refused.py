"""Refusals that came after a decision, with their events: what may be decided again when something is set free."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import aiosqlite

from agent.ledger import codec
from agent.model import Event, Outcome

# What came later is walked once, whatever is settled at a time: acts that arrived later (a hold may be the second word
# about an old one), and second words about acts that arrived before.
_AFTER = """
SELECT d.decision_no, d.event_no, r.text, d.role, d.reason, v.version,
       e.event_id, s.text, e.position, e.occurred_at, e.trust, e.payload
FROM decision d JOIN event e ON e.event_no = d.event_no JOIN name r ON r.no = d.rule_no
JOIN rules_version v ON v.version_no = d.version_no JOIN name s ON s.no = e.source_no
WHERE (d.event_no >= (SELECT min(event_no) FROM decision WHERE decision_no IN (SELECT value FROM json_each(:held)))
       OR d.decision_no > (SELECT min(value) FROM json_each(:held)))
  AND d.outcome = :refused AND d.learner IN (SELECT value FROM json_each(:learners))
ORDER BY d.event_no, d.decision_no
"""

_NEWEST_RESERVE = """
SELECT h.learner, max(h.decision_no) FROM hold h
WHERE h.state = 'open' AND h.kind = 'review' AND CAST(h.promise AS TEXT) ->> 'r' IS NOT NULL
  AND h.learner IN (SELECT value FROM json_each(?)) GROUP BY h.learner
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refusal, its event and the version of the rules that refused it."""

    decision_no: int
    event_no: int
    rule_id: str
    role: str
    reason: str
    version: str
    event: Event


async def after(connection: aiosqlite.Connection, held: Iterable[int], learners: Iterable[str]) -> list[Refusal]:
    """The refusals of these learners (``<site>:<LMS user id>``) after any of these decisions, in order of arrival."""
    asked = {"held": json.dumps(list(held)), "refused": int(Outcome.refused), "learners": json.dumps(sorted(learners))}
    rows = await connection.execute_fetchall(_AFTER, asked)
    return [
        Refusal(
            decision_no=number,
            event_no=event_no,
            rule_id=rule_id,
            role=role,
            reason=reason,
            version=version,
            event=codec.decode_event(
                payload, source=source, position=position, occurred_at=at, event_id=event_id, trust=trust
            ),
        )
        for number, event_no, rule_id, role, reason, version, event_id, source, position, at, trust, payload in rows
    ]


async def newest_reserve(connection: aiosqlite.Connection, learners: Iterable[str]) -> dict[str, int]:
    """By learner the newest decision that waits for a person and keeps something from what is decided beside it."""
    rows = await connection.execute_fetchall(_NEWEST_RESERVE, (json.dumps(sorted(learners)),))
    return {str(learner): int(number) for learner, number in rows}
