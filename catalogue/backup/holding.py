"""Whether what was put back are the books that were copied: asked before it counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.store import Store

Hold = Callable[[AsyncConnection], Awaitable[None]]
"""Sees whether the books that a connection reads are those that were copied, and raises where they are not."""


async def held(url: URL, hold: Hold) -> None:
    """See whether the books of a whole database do."""
    store = await Store.open(url, check_schema=False)
    try:
        async with store.reading() as conn:
            await hold(conn)
    finally:
        await store.close()
