"""Facts that were recorded and are seen again: what is kept of them, what was said about them, what is known now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import aiosqlite
import orjson

from agent.ledger import codec
from agent.model import Event, HoldKind, Outcome, Said

# The wanted times as one JSON list, the event ids of 32 bytes each joined in the same order.
_KNOWN = """
SELECT e.event_no, e.event_id, n.text, e.position, e.occurred_at, e.trust, e.payload
FROM json_each(?1) w CROSS JOIN event e ON e.occurred_at = w.value AND e.event_id = substr(?2, 32 * w.key + 1, 32)
JOIN name n ON n.no = e.source_no
"""
# A hold that another act closed is no verdict on this one: with what it lacked it is decided.
_WORDS = """
SELECT d.event_no, r.text, d.role, d.decision_no, d.outcome, d.reason, d.detail, h.kind,
       coalesce(h.state IN ('open', 'superseded'), 0), coalesce(h.state = 'open', 0)
FROM json_each(?) w CROSS JOIN decision d ON d.event_no = w.value
JOIN name r ON r.no = d.rule_no LEFT JOIN hold h ON h.decision_no = d.decision_no
ORDER BY d.decision_no
"""
# What is marked as another's since an erasure (ledger/privacy/clearing.py) stays so.
_KEEP = """
UPDATE event SET trust = ?1, payload = CASE instr(payload, CAST('"er":1' AS BLOB)) WHEN 0 THEN ?2
  ELSE CAST(json_set(CAST(?2 AS TEXT), '$.er', 1) AS BLOB) END
WHERE event_no = ?3
"""
TOLD_ELSEWHERE = "what it is about was told with its whole key"
"""Why a post that lacks a part of its key waits no longer; should its own key be told after all, it had only waited."""
_UNKNOWN = 2
"""How the status of a condition whose fact was not there is written."""


async def known(connection: aiosqlite.Connection, events: Sequence[Event]) -> dict[bytes, tuple[int, Event]]:
    """event_id → number and event as recorded, of those among ``events`` that are."""
    if not events:
        return {}
    times = orjson.dumps([event.seen.occurred_at for event in events]).decode()
    rows = await connection.execute_fetchall(_KNOWN, (times, b"".join(event.event_id for event in events)))
    return {
        event_id: (
            number,
            codec.decode_event(
                payload, source=source, position=position, occurred_at=at, event_id=event_id, trust=trust
            ),
        )
        for number, event_id, source, position, at, trust, payload in rows
    }


async def words(connection: aiosqlite.Connection, event_nos: Iterable[int]) -> Mapping[int, list[Said]]:
    """event_no → what each rule said last, to each recipient."""
    newest: dict[tuple[int, str, str], Said] = {}
    waiting: defaultdict[tuple[int, str, str], tuple[tuple[int, HoldKind], ...]] = defaultdict(tuple)
    rows = await connection.execute_fetchall(_WORDS, (json.dumps(list(event_nos)),))
    for event_no, rule_id, role, number, outcome, reason, detail, hold, unsettled, waits in rows:
        checks = orjson.loads(detail).get("c", ()) if detail else ()
        key = (event_no, rule_id, role)
        waiting[key] += ((number, HoldKind(hold)),) if waits else ()
        newest[key] = Said(
            rule_id=rule_id,
            role=role,
            number=number,
            outcome=Outcome(outcome),
            reason=reason,
            hold=HoldKind(hold) if hold else None,
            open=bool(unsettled),
            unknown=any(check[1] == _UNKNOWN for check in checks),
            waiting=waiting[key],
        )
    found: defaultdict[int, list[Said]] = defaultdict(list)
    for (event_no, _, _), word in newest.items():
        found[event_no].append(word)
    return found


async def keep(connection: aiosqlite.Connection, completed: Mapping[int, Event]) -> None:
    """Keep what is known now of events, by their numbers."""
    await connection.executemany(
        _KEEP, [(int(event.trust), codec.encode_event(event.seen), number) for number, event in completed.items()]
    )
