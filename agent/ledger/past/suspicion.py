"""What the ledger knows of flags and of how often who was awarded; read-only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

_FLAGS = """
SELECT n.text, p.site || ':' || p.lms_user, u.at, u.amount, u.slot >> 8
FROM name n JOIN quota_use u ON u.meter_no = n.no JOIN person p ON p.person_no = u.person_no
WHERE n.kind = 'meter' AND n.text >= 'flag:' AND n.text < 'flag;' AND u.at >= :since
  AND (:check = '' OR n.text = 'flag:' || :check)
  AND (:learner = '' OR p.site || ':' || p.lms_user = :learner)
ORDER BY u.at DESC, n.text, p.person_no LIMIT :newest
"""
_AWARDS = """
SELECT CAST(e.body AS TEXT) ->> 'rule', p.site || ':' || p.lms_user,
       substr(CAST(e.body AS TEXT) ->> 'occurred_at', 1, 10), count(DISTINCT e.decision_no)
FROM entry e JOIN person p ON p.person_no = e.person_no
WHERE CAST(e.body AS TEXT) ->> 'kind' = 'award' AND CAST(e.body AS TEXT) ->> 'occurred_at' >= :since
  AND e.decision_no IS NOT NULL
GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """An act that a check flagged: whose, when (seconds UTC), what it weighs, and its number in the source's log."""

    check: str
    learner: str
    at: int
    weight: int
    position: int


def flags(
    connection: sqlite3.Connection, *, since: int = 0, check: str = "", learner: str = "", newest: int = -1
) -> list[Flag]:
    """Flags from ``since`` (seconds UTC) on, newest first; of one check, of one learner, ``newest`` of them at most."""
    asked = {"since": since, "check": check, "learner": learner, "newest": newest}
    return [
        Flag(check=meter.removeprefix("flag:"), learner=who, at=at, weight=weight, position=position)
        for meter, who, at, weight, position in connection.execute(_FLAGS, asked)
    ]


def awards_by_day(connection: sqlite3.Connection, since: str) -> dict[tuple[str, str], dict[str, int]]:
    """(rule, learner) → UTC day → how often it was awarded, from ``since`` (`2026-09-01T00:00:00Z`) on."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for rule, learner, day, count in connection.execute(_AWARDS, {"since": since}):
        found.setdefault((rule, learner), {})[day] = count
    return found
