"""Which feeds have gone quiet against their own weeks, by the institution's clock and closed days."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from agent.config.rulefile import RuleFile
from agent.config.ways_in import SUFFIX
from agent.engine.timing.quiet import Quiet, quiet
from agent.ledger import sources
from agent.ledger.feeds import hours


class Week:
    """The institution's clock and its closed days, as the rules say them."""

    def __init__(self, zone: ZoneInfo, closed: tuple[tuple[date, date], ...] = ()) -> None:
        self._zone = zone
        self._closed = closed

    @classmethod
    def of(cls, file: RuleFile) -> Week:
        """Those of a file of rules."""
        return cls(file.timezone, file.closed)

    def wall(self, at: int) -> datetime:
        """The local time of ``at``, seconds UTC."""
        return datetime.fromtimestamp(at, UTC).astimezone(self._zone).replace(tzinfo=None)

    def closed(self, day: date) -> bool:
        """Whether a day is one that does not count."""
        return any(first <= day <= last for first, last in self._closed)


def quiet_feeds(connection: sqlite3.Connection, week: Week, now: int) -> Mapping[str, Quiet]:
    """Source → its silence, of those that are quieter than they ever were; ``now`` seconds UTC.

    What the log missed comes when it comes: those readers have no week of their own.
    """
    found = {
        name: quiet(hours.counted(connection, name), now, wall=week.wall, closed=week.closed)
        for name in sources.names(connection)
        if not name.endswith(SUFFIX)
    }
    return {name: silence for name, silence in found.items() if silence is not None}
