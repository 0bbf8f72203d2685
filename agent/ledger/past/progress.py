"""The sets that are kept of learners, for people to look at: read-only, in one statement."""

from __future__ import annotations

import sqlite3
from collections import defaultdict

_MEMBERS = """
SELECT p.site || ':' || p.lms_user, u.slot, u.at
FROM name n JOIN quota_use u ON u.meter_no = n.no JOIN person p ON p.person_no = u.person_no
WHERE n.kind = 'meter' AND n.text = :meter AND u.bucket = 'ever' AND u.freed = 0
  AND (:learner = '' OR (p.site || ':' || p.lms_user) = :learner)
"""


def members(connection: sqlite3.Connection, meter: str, *, learner: str = "") -> dict[str, dict[int, int]]:
    """Learner (``<site>:<LMS user id>``) → slot → seconds UTC, of the set under ``meter`` that stands for ever.

    With ``learner`` only that one's.
    """
    found: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for who, slot, at in connection.execute(_MEMBERS, {"meter": meter, "learner": learner}):
        found[who][slot] = at
    return dict(found)
