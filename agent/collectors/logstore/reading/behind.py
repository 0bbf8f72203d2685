"""How far the tables go that rows speak of, where the log lies apart from them: a replica may be behind the log.

What a row is about was written before the row, and a replica applies both in that order: it has the attempt as soon as
its own copy of the log has the row. So the log is read as far as that copy goes; a row that it lacks below its newest,
since rows appear in another order than their ids, is taken for one that is not there yet.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from agent.collectors.logstore.dialects.database import Database
from agent.collectors.logstore.lookups.base import rows_of
from agent.collectors.logstore.reading.stretch import Reader, anchor_of

WAIT_MAX_S = 86_400
"""A copy that lacks rows for longer is one that nobody writes to any more: the log was moved away from it."""
TOLD_AFTER_S = 300
"""A replica that is less behind is as it should be."""

_NEWEST = "SELECT id, eventname, userid, timecreated FROM {log} ORDER BY id DESC LIMIT 1"
_SAME = "SELECT id, eventname, userid, timecreated FROM {log} WHERE id = ?"
_THERE = "SELECT id FROM {log} WHERE id IN ([ids])"
_LACKING = (  # more than one, since a restore writes rows with the times of long ago
    "SELECT MAX(t.timecreated) FROM (SELECT timecreated FROM {log} WHERE id > ? ORDER BY id LIMIT 20) t"
)

log = structlog.get_logger()


class Behind:
    """Looks how far the database of the tables is behind the log's, and tells when that begins and ends."""

    def __init__(self, reader: Reader, tables: Database, name: str) -> None:
        self._reader = reader
        self._tables = tables
        self._name = name
        self._told = False
        self._follows: bool | None = None

    async def reached(self, now: int) -> int | None:
        """The newest id of which the tables have everything, None where nothing says that they lack anything.

        Call it inside a snapshot of both, before anything is looked up. ``now`` is our clock, in seconds.
        """
        if self._tables is self._reader.database:
            return None
        (answer,) = await self._tables.fetch_all([self._tables.schema.query(_NEWEST)])
        newest = anchor_of(rows_of(answer))
        since, self._follows = None, False
        if newest is not None:
            schema = self._reader.database.schema
            same, ((lacking,),) = await self._reader.ask_all(
                [schema.query(_SAME, newest.position), schema.query(_LACKING, newest.position)]
            )
            self._follows = anchor_of(same) == newest and (lacking is None or lacking > now - WAIT_MAX_S)
            since = lacking if self._follows else None
        self._tell(behind_s=0 if since is None else now - since)
        return None if newest is None or since is None else newest.position

    async def lacking(self, rows: Iterable[tuple[int, int]], now: int) -> frozenset[int]:
        """Of rows of the log (id and time) the ids that the tables' copy lacks; none where it follows no more.

        Errors as `Database.fetch_all`.
        """
        ids = [position for position, at in rows if at > now - WAIT_MAX_S]
        if self._tables is self._reader.database or not ids:
            return frozenset()
        if self._follows is None:
            await self.reached(now)
        if not self._follows:
            return frozenset()
        (answer,) = await self._tables.fetch_all([self._tables.schema.query(_THERE, ids=ids)])
        return frozenset(ids) - {row[0] for row in rows_of(answer)}

    def _tell(self, *, behind_s: int) -> None:
        if behind_s > TOLD_AFTER_S and not self._told:
            trouble = "the database at url lacks what the log at log_url tells: it is a replica that is behind"
            log.warning("look_ups_wait", source=self._name, trouble=trouble, do="see why the replica does not follow")
            self._told = True
        elif not behind_s and self._told:
            log.info("look_ups_go_on", source=self._name)
            self._told = False
