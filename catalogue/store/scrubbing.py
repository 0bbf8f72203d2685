"""After an erasure nothing is left in the database's files: when that is seen to, and how on PostgreSQL.

A deleted row stays until the server vacuums its table, which it does when a fifth of it is dead: for one learner of
thousands, perhaps never; and even then the last row of a page keeps its bytes. A table that is clustered gets new files
with the living rows alone.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from catalogue import schema

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
"""A larger table is left to be vacuumed: nobody can read it while it is written anew."""
LOCK_MS_MAX = 500
"""How long one table is waited for, and whoever comes after us waits with us."""
TRIES_MAX = 5
LOOK_S = 0.2
"""Between two looks whether those who might still see what was deleted have ended."""
REST_TIMES = 50
"""How many times as long as it took it rests before it is done again."""

_NOW = text("SELECT clock_timestamp()")
# What transactions of others (roles) began is not told to us; a dump that has a table open is met by its lock.
_ELDERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_xmin IS NOT NULL AND xact_start < :since"
)
_KEY = text(
    "SELECT quote_ident(c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indrelid = to_regclass(:table) AND i.indisprimary AND pg_table_size(i.indrelid) <= :bytes"
)


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
    """Leave nothing of what was deleted until now in the files of these tables; what that waits for.

    ``vacuuming`` has no transactions around its statements.

    Raises:
        DBAPIError: somebody holds one of the tables, or they are another role's.
    """
    async with vacuuming.connect() as conn:
        since = (await conn.execute(_NOW)).scalar_one()
    if not await _alone(writing, since):
        return "a transaction from before it is open"
    for table in TABLES:
        await _anew(writing, vacuuming, table.name)
    return ""


async def _alone(engine: AsyncEngine, since: datetime) -> bool:
    """Whether nobody can see any more what was deleted before ``since``."""
    for _ in range(TRIES_MAX):
        async with engine.begin() as conn:
            if not (await conn.execute(_ELDERS, {"since": since})).scalar_one():
                return True
        await asyncio.sleep(LOOK_S)
    return False


async def _anew(writing: AsyncEngine, vacuuming: AsyncEngine, table: str) -> None:
    """Each in a transaction of its own: never is one table held while another is waited for."""
    async with writing.begin() as conn:
        await conn.execute(text(f"SET LOCAL lock_timeout = '{LOCK_MS_MAX}ms'"))
        key = await conn.scalar(_KEY, {"table": table, "bytes": TABLE_BYTES_MAX})
        if key is not None:
            await conn.execute(text(f"CLUSTER {table} USING {key}"))
            return
    async with vacuuming.connect() as conn:
        await conn.execute(text(f"VACUUM {table}"))
