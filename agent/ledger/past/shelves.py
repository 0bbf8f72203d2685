"""Who has which badge, read-only."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

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
