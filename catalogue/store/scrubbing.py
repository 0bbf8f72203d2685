"""After an erasure nothing is left in the database's files: when that is seen to, and how on PostgreSQL.

A deleted row stays until the server vacuums its table, which it does when a fifth of it is dead: for one learner of
thousands, perhaps never; and even then the last row of a page keeps its bytes, and each row of a page without others.
A table that is clustered gets new files with the living rows alone. Nobody can use it meanwhile, so what is large waits
for an operator's quiet hour (`rewards-catalogue scrub`). Until then `erased_from` says which tables those are.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from catalogue import schema
from catalogue.schema import erased_from
from catalogue.store.faults import database_said

TABLES = (
    schema.sealed_person,
    schema.person_name,
    schema.person_tag,
    schema.link,
    schema.link_held,
    schema.link_apart,
    schema.link_change,
    schema.recognition,
    schema.recognition_choice,
    schema.remark,
    schema.liking,
)
"""From which an erasure takes rows, or words out of them."""
TABLE_BYTES_MAX = 64 << 20
"""A larger table is only vacuumed while all goes on: nobody can read it while it is written anew."""
WAITED_S = 86_400
"""For how long somebody may keep the tables open before that is told."""
LOCK_MS_MAX = 500
"""How long one table is waited for, and whoever comes after us waits with us."""
TRIES_MAX = 5
LOOK_S = 0.2
"""Between two looks whether those who might still see what was deleted have ended."""
REST_TIMES = 50
"""How many times as long as it took it rests before it is done again."""

POSTGRES = "postgresql"

_NEXT = text("SELECT CAST(CAST(pg_current_xact_id() AS xid) AS text)")
# Whoever may still see what a transaction of before ours deleted keeps it in the files: in this database, by a replica
# that asks for it, by a replication slot, or prepared and never ended. `age` counts transactions back.
_ELDERS = text(
    "SELECT count(*) FROM ("
    " SELECT backend_xmin AS seen FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    " AND (datname = current_database() OR datname IS NULL)"
    " UNION ALL SELECT xmin FROM pg_replication_slots"
    " UNION ALL SELECT transaction FROM pg_prepared_xacts WHERE database = current_database()"
    ") elders WHERE age(seen) >= age(CAST(CAST(:since AS text) AS xid))"
)
_KEY = text(
    "SELECT quote_ident(c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indrelid = to_regclass(:table) AND i.indisprimary"
)
_BYTES = text("SELECT pg_table_size(to_regclass(:table))")
_ELDER = "a transaction from before it is open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A table in whose files somebody may be left: its size now, since when (seconds UTC), and erasures by campus."""

    name: str
    bytes: int
    since: int
    times: Mapping[str, int]

    @property
    def is_large(self) -> bool:
        """Whether it waits for a quiet hour."""
        return self.bytes > TABLE_BYTES_MAX

    def is_due(self, now: int) -> bool:
        """Whether somebody has to see to it: no server does it by itself, or none could for a day."""
        return self.is_large or now - self.since > WAITED_S


async def note(conn: AsyncConnection, campus: str, *tables: Table, now: int) -> None:
    """In this transaction somebody of a campus is erased from these tables: until made anew, their files have them."""
    if conn.dialect.name != POSTGRES:
        return  # what SQLite deletes it overwrites
    rows = insert(erased_from).values(
        [{"campus": campus, "name": table.name, "times": 1, "since": now} for table in tables]
    )
    again = {"times": erased_from.c.times + 1}
    await conn.execute(rows.on_conflict_do_update(index_elements=["campus", "name"], set_=again))


async def left(conn: AsyncConnection) -> list[Left]:
    """The tables in whose files somebody may be left."""
    ours = erased_from.c.name.in_([table.name for table in TABLES])
    notes: dict[str, list[Any]] = defaultdict(list)
    for row in await conn.execute(select(erased_from).where(ours).order_by(erased_from.c.name)):
        notes[row.name].append(row)
    return [
        Left(
            name=name,
            bytes=int(await conn.scalar(_BYTES, {"table": name})) if conn.dialect.name == POSTGRES else 0,
            since=min(row.since for row in rows),
            times={row.campus: row.times for row in rows},
        )
        for name, rows in notes.items()
    ]


class Scrubbing:
    """When it is to be done. It rests after it was done, so that tables are shut for a small part of the time alone."""

    def __init__(self) -> None:
        self.is_due = True
        self.waits = ""
        """What it last waited for; it is due again then."""
        self._until = 0.0

    def rests(self) -> bool:
        """Whether nothing is to be done now."""
        return not self.is_due or time.monotonic() < self._until

    def ended(self, begun: float, waits: str) -> None:
        """It was tried, from ``begun`` on the running clock until now."""
        ended = time.monotonic()
        self._until = ended + (ended - begun) * REST_TIMES
        self.waits = waits
        self.is_due = self.is_due or bool(waits)


async def written_anew(writing: AsyncEngine, vacuuming: AsyncEngine) -> str:
    """Leave nothing of what was deleted by now in the files of these tables, but for large ones; what that waits for.

    ``vacuuming`` has no transactions around its statements.

    Raises:
        DBAPIError: somebody holds one of the tables, or they are another role's.
    """
    async with vacuuming.connect() as conn:
        noted = {one.name: one for one in await left(conn)}
    if not await _alone(vacuuming, tries=TRIES_MAX):
        return _ELDER
    for table in TABLES:
        async with vacuuming.connect() as conn:
            is_large = (await conn.scalar(_BYTES, {"table": table.name}) or 0) > TABLE_BYTES_MAX
            if is_large:
                await conn.execute(text(f"VACUUM {table.name}"))
        if not is_large:
            await _anew(writing, table.name, lock_ms=LOCK_MS_MAX)
            await _is_done(writing, noted.get(table.name))
    return ""


async def each_written_anew(
    writing: AsyncEngine, alone: AsyncEngine, *, wait_s: int
) -> AsyncIterator[tuple[Left, str]]:
    """The same in a quiet hour, whatever the size: each table in whose files somebody may be left; what it waits for.

    Neither engine bounds how long a statement may take; ``alone`` has no transactions around them.
    """
    async with alone.connect() as conn:
        noted = await left(conn)
    open_ones = "" if not noted or await _alone(alone, tries=1 + int(wait_s / LOOK_S)) else _ELDER
    for one in noted:
        waits = open_ones
        if not waits:
            try:
                await _anew(writing, one.name, lock_ms=wait_s * 1000)
                await _is_done(writing, one)
            except DBAPIError as exc:
                waits = database_said(exc)
        yield one, waits


async def _alone(engine: AsyncEngine, *, tries: int) -> bool:
    """Whether nobody can see any more what was deleted until now."""
    async with engine.connect() as conn:
        since = await conn.scalar(_NEXT)
        for _ in range(tries):
            if not await conn.scalar(_ELDERS, {"since": since}):
                return True
            await asyncio.sleep(LOOK_S)
    return False


async def _anew(writing: AsyncEngine, table: str, *, lock_ms: int) -> None:
    """Each in a transaction of its own: never is one table held while another is waited for."""
    async with writing.begin() as conn:
        await conn.execute(text(f"SET LOCAL lock_timeout = '{lock_ms}ms'"))
        key = await conn.scalar(_KEY, {"table": table})
        await conn.execute(text(f"CLUSTER {table} USING {key}"))


async def _is_done(writing: AsyncEngine, noted: Left | None) -> None:
    """Nobody is left in the files of a table, but for who was erased since it was noted.

    In a transaction of its own: an erasure holds the note first, then the table.
    """
    if noted is not None:
        async with writing.begin() as conn:
            row = erased_from.c
            for campus, times in noted.times.items():
                same = (row.campus == campus, row.name == noted.name, row.times == times)
                await conn.execute(delete(erased_from).where(*same))
