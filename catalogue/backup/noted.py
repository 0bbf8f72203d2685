"""That a backup was made, or put back, stands among the acts: whoever watches any server sees when the last one was."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema

TAKEN = "database.backup"
PUT_BACK = "database.restore"


async def last(conn: AsyncConnection, what: str = TAKEN) -> int:
    """When the last backup was made, or put back, in seconds UTC; 0 for never."""
    act = schema.act.c
    made = select(act.at).where(act.campus == acts.EVERYWHERE, act.act == what).order_by(act.no.desc()).limit(1)
    return int(await conn.scalar(made) or 0)
