"""What operators do to links by hand, written down as theirs alone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts
from catalogue.acts import Act
from catalogue.schema import link, link_apart
from catalogue.store import Store

_HOLD = text(
    "INSERT INTO link_head (campus, no) VALUES (:campus, 0) ON CONFLICT (campus) DO UPDATE SET no = link_head.no"
)


@contextlib.asynccontextmanager
async def losing(store: Store, said: Act) -> AsyncIterator[AsyncConnection]:
    """The same for an act that forgets a person: written down though no link need change."""
    async with store.writing() as conn:
        await conn.execute(_HOLD, {"campus": said.campus})
        yield conn
        await acts.note(conn, said, forgotten=said.about)


@contextlib.asynccontextmanager
async def linking(store: Store, said: Act) -> AsyncIterator[AsyncConnection]:
    """A writing transaction in which an act changes links: after whoever changes any, so it tells of no other's."""
    async with store.writing() as conn:
        await conn.execute(_HOLD, {"campus": said.campus})
        concerned = [acts.rows(table, campus=said.campus) for table in (link, link_apart)]
        async with acts.recorded(conn, said, *concerned):
            yield conn
