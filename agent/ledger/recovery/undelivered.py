"""What a lost disk would take with it for good: acts that no log holds, and that the catalogue does not have yet."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import NamedTuple

_COUNTS = """
WITH alone AS (SELECT no FROM name WHERE kind = 'source' AND text IN (SELECT value FROM json_each(:sources)))
SELECT
  (SELECT count(*) FROM entry e JOIN event v ON v.event_no = e.event_no
   WHERE e.seq > coalesce((SELECT acked_seq FROM reader WHERE name = :reader), 0)
     AND v.source_no IN (SELECT no FROM alone)),
  (SELECT count(*) FROM hold h JOIN decision d ON d.decision_no = h.decision_no JOIN event v ON v.event_no = d.event_no
   WHERE h.state = 'open' AND v.source_no IN (SELECT no FROM alone))
"""


class Undelivered(NamedTuple):
    """``entries`` that were not acknowledged, and decisions that are ``held`` and so were never entries."""

    entries: int
    held: int


def of(connection: sqlite3.Connection, sources: Collection[str], reader: str) -> Undelivered:
    """What there is of these sources beyond what a reader (the catalogue) has acknowledged."""
    asked = {"sources": json.dumps(sorted(sources)), "reader": reader}
    return Undelivered(*connection.execute(_COUNTS, asked).fetchone())


def positions(connection: sqlite3.Connection, sources: Collection[str]) -> dict[str, int]:
    """By source how far its posts were read; those of which none was are left out."""
    marks = "SELECT source, position FROM source_state WHERE source IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(marks, (json.dumps(sorted(sources)),)).fetchall())
