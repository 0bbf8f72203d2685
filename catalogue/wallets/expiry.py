"""Letting lots go whose time is over. Each expiry is dated by its lot, so a look that comes late books the same.

Several workers may look at once: wallets are held, and what one let go the other no longer finds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.store import Store
from catalogue.store.rows import WalletKey
from catalogue.wallets import book

log = structlog.get_logger()

LOOK_S = 300.0
"""Lots go by the second; within minutes of it is soon enough. A spend looks for itself."""
WALLETS_MAX = 200
"""Wallets that one transaction holds."""
JUMP_S = 600
"""A clock that was set by more than this is not believed until the next look."""


class Passed(NamedTuple):
    """What a look came to."""

    campus: str
    lots: int


async def look(store: Store, *, now: int) -> list[Passed]:
    """Let everything go that is over ``now``; by campus, those with nothing left out."""
    async with store.reading() as conn:
        campuses = (await conn.scalars(select(schema.tenant.c.campus).order_by(schema.tenant.c.campus))).all()
    found = [Passed(campus, await _look_at(store, campus, now)) for campus in campuses]
    return [one for one in found if one.lots]


async def _look_at(store: Store, campus: str, now: int) -> int:
    lots = 0
    while True:
        async with store.writing() as conn:
            keys = await _due(conn, campus, now)
            lots += await book.let_expire(store, conn, campus, keys, now=now) if keys else 0
        if len(keys) < WALLETS_MAX:
            return lots


async def _due(conn: AsyncConnection, campus: str, now: int) -> Sequence[WalletKey]:
    table = schema.wallet.c
    due = select(table.learner, table.currency).where(table.campus == campus, table.due_at <= now)
    rows = await conn.execute(due.order_by(table.due_at, table.learner, table.currency).limit(WALLETS_MAX))
    return [(learner, currency) for learner, currency in rows]


class Expiry:
    """The look that a server does again and again; a clock that jumped is not believed at once.

    ``wall`` tells the seconds since 1970, ``running`` those of a clock that nobody sets.
    """

    def __init__(
        self, store: Store, wall: Callable[[], float] = time.time, running: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._wall = wall
        self._running = running
        self._offset = wall() - running()

    async def look(self) -> None:
        """Let everything go that is over."""
        offset = self._wall() - self._running()
        jumped, self._offset = offset - self._offset, offset
        if abs(jumped) > JUMP_S:
            log.warning("clock_jumped", seconds=round(jumped))
            return
        for campus, lots in await look(self._store, now=int(self._wall())):
            log.info("lots_expired", campus=campus, lots=lots)
