"""What rules said about the events of a page before: their newest words for each recipient, and what they paid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import aiosqlite

from agent.ledger import codec
from agent.ledger.record.people import split_learner
from agent.model import Event, HoldKind, Outcome, Use

_DECIDED = """
SELECT d.event_no, d.role, n.text, d.outcome, d.reason, r.version, d.decision_no, h.state, h.kind, h.promise
FROM json_each(?) w JOIN decision d ON d.event_no = w.value JOIN rules_version r ON r.version_no = d.version_no
JOIN name n ON n.no = d.rule_no AND n.kind = 'rule' AND n.text IN (SELECT value FROM json_each(?))
LEFT JOIN hold h ON h.decision_no = d.decision_no
ORDER BY d.decision_no
"""
_SCOPES = """
SELECT d.learner, coalesce(CAST(d.detail AS TEXT) ->> 's', ''), coalesce(CAST(d.detail AS TEXT) ->> 'g', 0)
FROM json_each(?) w JOIN decision d ON d.decision_no = w.value
"""
_COUNTING = """
SELECT q.seq FROM json_each(?) w
CROSS JOIN person p ON p.site = w.value ->> 0 AND p.lms_user = w.value ->> 1
CROSS JOIN name n ON n.kind = 'meter' AND n.text = ?
CROSS JOIN quota_use q
  ON q.meter_no = n.no AND q.bucket = w.value ->> 2 AND q.person_no = p.person_no AND q.slot = w.value ->> 3
WHERE q.freed = 0 AND q.seq > 0 ORDER BY q.seq
"""
"""The use of its scope leads from an award to its first entry, and tells whether it was reversed."""

_FREE = """
UPDATE quota_use SET freed = 1 WHERE (meter_no, bucket, person_no, slot) IN (
  SELECT n.no, w.value ->> 3, p.person_no, w.value ->> 4 FROM json_each(?) w
  CROSS JOIN person p ON p.site = w.value ->> 0 AND p.lms_user = w.value ->> 1
  CROSS JOIN name n ON n.kind = 'meter' AND n.text = w.value ->> 2
)
"""
_NUMBERS = """
SELECT v.event_no, v.event_id FROM json_each(?) w
CROSS JOIN event v ON v.occurred_at = w.value ->> 0 AND hex(v.event_id) = w.value ->> 1
"""


NO_SET = -1
"""The slot of what adds nothing to a set."""


class Hold(NamedTuple):
    """A decision that waits, for what, and by which version of the rules."""

    decision_no: int
    why: HoldKind
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The newest decision of a rule for one recipient of one event.

    One act may be several steps of a challenge, which are one rule: what waits (``waiting``) and what a person has
    ``settled`` is told by the slot of what it would add to a set, `NO_SET` where it adds nothing.
    """

    outcome: Outcome
    reason: str
    version: str
    decision_no: int
    waiting: Mapping[int, Hold]
    settled: frozenset[int]

    def stands(self, version: str) -> bool:
        """Whether rules of ``version`` have nothing to say beside it.

        Paid, waiting, or settled by a person: it stands. Refused by other rules, or only in shadow: it may be decided
        anew.
        """
        if self.outcome is Outcome.refused:
            return self.version == version
        return self.outcome is not Outcome.shadow


_PERSONS = frozenset({"approved", "rejected"})


async def words(
    connection: aiosqlite.Connection, rules: Iterable[str], event_nos: Iterable[int]
) -> dict[tuple[int, str, str], Word]:
    """(event_no, role, rule id) → what that rule said last."""
    found: dict[tuple[int, str, str], Word] = {}
    rows = await connection.execute_fetchall(_DECIDED, (json.dumps(list(event_nos)), json.dumps(sorted(rules))))
    for event_no, role, rule, outcome, reason, version, number, state, kind, promise in rows:
        before = found.get((event_no, role, rule))
        waiting = {} if before is None else dict(before.waiting)
        settled = frozenset() if before is None else before.settled
        if state == "open":
            waiting[_adds(promise, number)] = Hold(number, HoldKind(kind), version)
        elif state in _PERSONS:
            settled |= {_adds(promise, number)}
        found[event_no, role, rule] = Word(
            outcome=Outcome(outcome),
            reason=reason,
            version=version,
            decision_no=number,
            waiting=waiting,
            settled=settled,
        )
    return found


def _adds(promise: bytes, decision_no: int) -> int:
    _, uses = codec.decode_promise(promise)
    return slot_of(uses[len(codec.decode_reserves(promise, decision_no)) :])


def slot_of(uses: Iterable[Use]) -> int:
    """What a hold that reserves nothing would add to a set, of its uses."""
    return next((use.slot for use in uses if use.slot >= 0), NO_SET)


async def unreversed(connection: aiosqlite.Connection, rule_id: str, decision_nos: Iterable[int]) -> list[int]:
    """The first entries of these awards of the rule that still count, one for each award."""
    awards = await connection.execute_fetchall(_SCOPES, (json.dumps(list(decision_nos)),))
    asked = [(*split_learner(learner), scope, generation) for learner, scope, generation in awards]
    rows = await connection.execute_fetchall(_COUNTING, (json.dumps(asked), f"once:{rule_id}"))
    return [seq for (seq,) in rows]


async def free(connection: aiosqlite.Connection, uses: Iterable[Use]) -> None:
    """Give back what awards had used that were given in shadow alone."""
    given_back = [(*split_learner(use.learner), use.meter, use.bucket, use.slot) for use in uses]
    if given_back:
        await connection.execute(_FREE, (json.dumps(given_back),))


async def numbers(connection: aiosqlite.Connection, events: Iterable[Event]) -> dict[bytes, int]:
    """event_id → event_no, of those that are recorded."""
    asked = [(event.seen.occurred_at, event.event_id.hex().upper()) for event in events]
    rows = await connection.execute_fetchall(_NUMBERS, (json.dumps(asked),))
    return {event_id: event_no for event_no, event_id in rows}
