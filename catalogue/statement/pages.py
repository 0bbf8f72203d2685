"""Pages of a statement, each the end of a chain. Where pages ended is remembered, so that a position can be proven."""

from __future__ import annotations

import hmac

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.schema import statement_page
from catalogue.statement import lines
from catalogue.store import Store
from catalogue.tenants import Sender
from catalogue.wallets import carried
from wire import chain, statement
from wire.statement import Header

_NOWHERE = (0, chain.GENESIS)


async def page(store: Store, sender: Sender, after: int, head: bytes, *, now: int) -> bytes:
    """The page after movement ``after``, where the agent's chain has ``head``; or why there is none."""
    campus, agent = sender.campus, sender.agent
    async with store.reading() as conn:
        # In this order: what the agent is told to have posted is in the movements that are looked at.
        seq = await _seq(conn, campus, agent)
        newest = await lines.newest(conn, campus)
        at_most = min(after, newest)
        marked = await _mark(conn, campus, agent, at_most)
        reached, ours = await _walked(conn, campus, agent, marked, at_most)
        asked = {"campus": campus, "agent": agent, "after": after, "previous": head}
        if after > newest or not hmac.compare_digest(ours, head):
            why = statement.BEHIND if after > newest else statement.HISTORY
            header = Header(**asked, upto=reached, head=ours, seq=seq, at=now, more=False, why=why)  # type: ignore[arg-type]
            return statement.encode(header, ())
        found = await lines.after(conn, campus, agent, after, newest)
    bodies = [line.encode() for line in found.lines]
    upto, end = found.upto, chain.head(head, bodies)
    if bodies or upto - marked[0] >= lines.SCANNED_MAX:
        await _remember(store, campus, agent, upto, end)
    header = Header(**asked, upto=upto, head=end, seq=seq, at=now, more=found.more)  # type: ignore[arg-type]
    return statement.encode(header, bodies)


async def check(conn: AsyncConnection, campus: str, agent: str) -> list[str]:
    """What does not agree between the ends of pages that were given out and the ledger as it is."""
    table = statement_page.c
    at = await _begins(conn, campus, agent)
    mine = (table.campus == campus, table.agent == agent, table.upto > at[0])
    for row in (await conn.execute(select(table.upto, table.head).where(*mine).order_by(table.upto))).all():
        at = await _walked(conn, campus, agent, at, row.upto)
        if at[1] != bytes(row.head):
            return [f"{campus} {agent}: the statement up to movement {row.upto} is not what was told"]
    return []


async def _seq(conn: AsyncConnection, campus: str, agent: str) -> int:
    table = schema.agent.c
    mine = (table.campus == campus, table.agent == agent)
    return await conn.scalar(select(table.seq).where(*mine)) or 0


async def _mark(conn: AsyncConnection, campus: str, agent: str, no: int) -> tuple[int, bytes]:
    """The newest remembered end of a page at or before movement ``no``."""
    table = statement_page.c
    mine = (table.campus == campus, table.agent == agent, table.upto <= no)
    row = (await conn.execute(select(table.upto, table.head).where(*mine).order_by(table.upto.desc()).limit(1))).first()
    start = await _begins(conn, campus, agent)
    if no < start[0]:
        raise RefusedError(410, "archived", (await carried.begins(conn, campus)).told(campus))
    return start if row is None or row.upto < start[0] else (row.upto, bytes(row.head))


async def _begins(conn: AsyncConnection, campus: str, agent: str) -> tuple[int, bytes]:
    """Where the statement begins that can be worked out: where the archive ends. Who came later had no line before."""
    start = (await carried.begins(conn, campus)).no
    if not start:
        return _NOWHERE
    table = statement_page.c
    mine = (table.campus == campus, table.agent == agent, table.upto == start)
    head = await conn.scalar(select(table.head).where(*mine))
    return start, chain.GENESIS if head is None else bytes(head)


async def mark(conn: AsyncConnection, campus: str, agent: str, upto: int) -> None:
    """Remember where an agent's statement stands after movement ``upto``, before those up to it go into the archive."""
    _, head = await _walked(conn, campus, agent, await _mark(conn, campus, agent, upto), upto)
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    row = {"campus": campus, "agent": agent, "upto": upto, "head": head}
    await conn.execute(insert(statement_page).values(row).on_conflict_do_nothing())


async def _walked(
    conn: AsyncConnection, campus: str, agent: str, at: tuple[int, bytes], upto: int
) -> tuple[int, bytes]:
    """The chain's end at movement ``upto``, from an end before it."""
    no, head = at
    while no < upto:
        found = await lines.after(conn, campus, agent, no, upto)
        no, head = found.upto, chain.head(head, (line.encode() for line in found.lines))
    return no, head


async def _remember(store: Store, campus: str, agent: str, upto: int, head: bytes) -> None:
    """Two workers that gave the same page remember the same."""
    async with store.writing() as conn:
        insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
        row = {"campus": campus, "agent": agent, "upto": upto, "head": head}
        await conn.execute(insert(statement_page).values(row).on_conflict_do_nothing())
