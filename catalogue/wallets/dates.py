"""Where in the central ledger a moment is: numbers and dates of posting rise together, so it is found by halving."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import ledger, movement
from catalogue.wallets import carried


async def last_before(conn: AsyncConnection, campus: str, at: int) -> int:
    """The number of a campus's last movement that was posted before a moment; 0 where none was.

    Of moments before the ledger begins that is here, the last one that is not.
    """
    low = (await carried.begins(conn, campus)).no
    high = await conn.scalar(select(ledger.c.no).where(ledger.c.campus == campus)) or 0
    while low < high:
        middle = (low + high + 1) // 2
        if await posted_at(conn, campus, middle) < at:
            low = middle
        else:
            high = middle - 1
    return low


async def posted_at(conn: AsyncConnection, campus: str, no: int) -> int:
    """When a movement was posted that there is, seconds UTC."""
    found = select(movement.c.posted_at).where(movement.c.campus == campus, movement.c.no == no)
    return int((await conn.execute(found)).scalar_one())
