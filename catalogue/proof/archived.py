"""Where an agent's history begins that is here: what lies before is in the archive."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.errors import RefusedError
from catalogue.schema import archived_chain, archived_month
from catalogue.wallets import carried
from wire import chain


class Start(NamedTuple):
    """The last entry that is in the archive alone, and the chain's head there."""

    epoch: int = 0
    seq: int = 0
    head: bytes = chain.GENESIS


async def start(conn: AsyncConnection, campus: str, agent: str) -> Start:
    """Where the first batch that is here follows."""
    table, month = archived_chain, archived_month
    joined = table.join(month, (month.c.campus == table.c.campus) & (month.c.month == table.c.month))
    gone = (table.c.campus == campus, table.c.agent == agent, month.c.gone_at.is_not(None))
    newest = select(table.c.epoch, table.c.seq, table.c.head).select_from(joined).where(*gone)
    row = (await conn.execute(newest.order_by(table.c.seq.desc()).limit(1))).first()
    return Start() if row is None else Start(row.epoch, row.seq, bytes(row.head))


async def need(conn: AsyncConnection, campus: str, agent: str, seq: int) -> None:
    """See that an agent's history after entry ``seq`` is here.

    Raises:
        RefusedError: part of it is in the archive; it says how to get it.
    """
    if seq < (await start(conn, campus, agent)).seq:
        raise RefusedError(410, "archived", (await carried.begins(conn, campus)).told(campus))
