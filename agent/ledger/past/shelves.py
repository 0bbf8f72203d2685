"""Who has which badge, read-only."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace

from agent.ledger.record import BADGE_PREFIX

_HELD = """
SELECT substr(currency, 7), count(*) FROM balance WHERE currency LIKE 'badge:%' AND amount > 0 GROUP BY 1 ORDER BY 1
"""
_HOLDERS = """
SELECT p.site || ':' || p.lms_user, p.pseudonym, b.person_no, (
  SELECT CAST(e.body AS TEXT) FROM name n
  CROSS JOIN quota_use u ON u.meter_no = n.no AND u.bucket = '' AND u.person_no = b.person_no
  CROSS JOIN entry e ON e.seq BETWEEN u.seq AND u.seq + 50 AND e.person_no = u.person_no
  WHERE n.kind = 'meter' AND n.text = b.currency AND u.freed = 0 AND u.seq > 0
    AND CAST(e.body AS TEXT) ->> 'currency' = b.currency
  ORDER BY e.seq DESC LIMIT 1)
FROM balance b LEFT JOIN person p ON p.person_no = b.person_no
WHERE b.currency = ? AND b.amount > 0
"""


_BY_NOW = """
SELECT e.seq, CAST(e.body AS TEXT) ->> 'entry_id', CAST(e.body AS TEXT) ->> 'occurred_at'
FROM person p JOIN balance b ON b.person_no = p.person_no JOIN entry e ON e.person_no = p.person_no
WHERE p.site = ?1 AND p.lms_user = ?2 AND b.currency = ?3 AND b.amount > 0
  AND CAST(e.body AS TEXT) ->> 'currency' = ?3 AND CAST(e.body AS TEXT) ->> 'amount' > 0
ORDER BY e.seq DESC LIMIT 1
"""
_MOVED = """
SELECT seq, person_no, CAST(body AS TEXT) ->> 'entry_id', CAST(body AS TEXT) ->> 'currency',
  CAST(body AS TEXT) ->> 'amount', CAST(body AS TEXT) ->> 'occurred_at'
FROM entry WHERE instr(body, CAST('"currency":"badge:' AS BLOB)) ORDER BY seq
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """An entry that gave somebody a badge, for an act of ``at`` (seconds UTC); ``gone``: it was taken back since."""

    epoch: str
    seq: int
    at: int
    gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody who has a badge: since when (seconds UTC, None where nothing tells), by which rule and why."""

    learner: str
    since: int | None
    rule_id: str
    reason: str


def held(connection: sqlite3.Connection) -> dict[str, int]:
    """Badge id → how many have it."""
    return dict(connection.execute(_HELD).fetchall())


def holders(connection: sqlite3.Connection, badge: str, *, limit: int) -> list[Holder]:
    """Those who have a badge, the newest first; erased persons are shown as such."""
    found = []
    for learner, _, _, body in connection.execute(_HOLDERS, (f"{BADGE_PREFIX}{badge}",)):
        fields = json.loads(body) if body else {}
        found.append(
            Holder(
                learner=learner or "an erased person",
                since=fields.get("occurred_at"),
                rule_id=fields.get("rule", ""),
                reason=fields.get("reason", ""),
            )
        )
    return sorted(found, key=lambda one: (-(one.since or 0), one.learner))[:limit]


def givings(connection: sqlite3.Connection) -> dict[tuple[int, str], list[Giving]]:
    """(person_no, badge id) → the entries that ever gave it, in order; what moved to another account is gone there."""
    found: dict[tuple[int, str], list[Giving]] = {}
    for seq, person_no, entry_id, currency, amount, at in connection.execute(_MOVED):
        of = found.setdefault((person_no, currency.removeprefix(BADGE_PREFIX)), [])
        if amount > 0:
            of.append(Giving(epoch=entry_id.rpartition("-")[0], seq=seq, at=at, gone=False))
        elif of:
            of[-1] = replace(of[-1], gone=True)
    return found


def giving(connection: sqlite3.Connection, learner: str, badge: str) -> Giving | None:
    """The entry by which a learner has a badge now; None where they have it not."""
    site, _, user = learner.partition(":")
    row = connection.execute(_BY_NOW, (site, user, f"{BADGE_PREFIX}{badge}")).fetchone()
    return None if row is None else Giving(epoch=row[1].rpartition("-")[0], seq=row[0], at=row[2], gone=False)
