"""How far the tables themselves had come at a walk: a replica that stood still shows later what happened long before.

The log beside the tables tells: what is new in it since the last walk, and much older than that walk, came late, and
what changed in the tables with it came late too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.collectors.logstore.dialects.database import Database, Rows, Unreadable

FIRST = 1_000
"""How many of the new rows are looked at: what came late comes first."""

_NEWEST = "SELECT id, timecreated FROM {log} ORDER BY id DESC LIMIT 1"
_SINCE = (
    "SELECT MIN(t.timecreated) FROM "
    "(SELECT timecreated FROM {log} WHERE id > ? AND origin IS NOT NULL ORDER BY id LIMIT [most]) t"
)
_ID, _AT = "log_beside_id", "log_beside_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """The newest row of the log beside the tables, and the oldest of those that are new; None where there is none."""

    newest: tuple[int, int] | None
    oldest_new: int | None

    def counted(self, counts: Mapping[str, int]) -> dict[str, int]:
        """A source's counts with where the tables stand now."""
        return {**counts, **({} if self.newest is None else {_ID: self.newest[0], _AT: self.newest[1]})}


async def stood(tables: Database, counts: Mapping[str, int]) -> Stood:
    """Where the tables stand, and what is new beside them since the walk that left these ``counts``.

    Raises:
        TransientError: connection lost, time-out.
    """
    queries = [tables.schema.query(_NEWEST)]
    if _ID in counts:
        queries.append(tables.schema.query(_SINCE, counts[_ID], most=[FIRST]))
    newest, *new = [_rows(answer) for answer in await tables.fetch_all(queries)]
    return Stood(newest=newest[0][:2] if newest else None, oldest_new=new[0][0][0] if new and new[0] else None)


def behind_since(found: Stood, counts: Mapping[str, int], before: int) -> int | None:
    """Since when the tables lacked something at the last walk; None where what is new is no older than ``before``."""
    late = found.oldest_new is not None and found.oldest_new < before
    return counts[_AT] if late else None


def _rows(answer: Rows | Unreadable) -> Rows:
    return [] if isinstance(answer, Unreadable) else answer
