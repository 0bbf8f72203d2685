"""What was drawn for whom, and what became of it. Inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.redemption import records, states
from catalogue.redemption.desk import Desk
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import Event
from catalogue.rewards import shelf
from catalogue.schema import allowance, code
from catalogue.tenants import Sender
from wire.money.spending import RETURNED, SPENT

_KEEP = text(
    "INSERT INTO allowance (campus, redemption, agent, epoch, drawn_at)"
    " VALUES (:campus, :redemption, :agent, :epoch, :now) ON CONFLICT (campus, redemption) DO NOTHING"
)
UNUSED = "the campus gives it back: nobody was shown it"


async def may_draw(conn: AsyncConnection, sender: Sender, epoch: int, reward: str) -> None:
    """See that the agent is the one that is alive, and that nobody else is needed for the voucher.

    Raises:
        RefusedError: another epoch of this agent is alive, or a partner would have to be asked.
    """
    await alive(conn, sender, epoch)
    meant = await shelf.meant(conn, sender.campus, reward)
    if meant is not None and meant[1].handing == "partner":
        raise RefusedError(409, "handing", "a partner is asked for each of these: it cannot be kept for later")


async def keep(conn: AsyncConnection, sender: Sender, epoch: int, made: Redemption, *, now: int) -> None:
    """Note that a voucher was made beforehand for this life of the agent; again changes nothing."""
    row = {"campus": sender.campus, "redemption": made.redemption, "agent": sender.agent, "epoch": epoch, "now": now}
    await conn.execute(_KEEP, row)


async def spent(conn: AsyncConnection, sender: Sender, name: str, *, now: int) -> str:
    """The learner has it; what stands against that, or nothing."""
    row = await _row(conn, sender, name)
    if row is None:
        return "it was not drawn for this agent"
    if row.ended == RETURNED:
        return "it was given back before: its voucher is void"
    await _end(conn, sender, name, SPENT, now)
    return ""


async def returned(conn: AsyncConnection, desk: Desk, sender: Sender, epoch: int, name: str, *, now: int) -> str:
    """Nobody had it: points, stock and code go back. What stands against that, or nothing; again changes nothing.

    Only the life of the agent that drew it can say so: who was restored does not know what was shown since.
    """
    row = await _row(conn, sender, name)
    if row is not None and row.ended == RETURNED:
        return ""
    one = await records.find(conn, sender.campus, name, lock=True)
    if row is None or one is None:
        return "it was not drawn for this agent"
    why = _kept(row, one, epoch)
    if why:
        return why
    await desk.happen(conn, one, Event.returned, now=now, by=sender.agent, why=UNUSED)
    mine = (code.c.campus == sender.campus, code.c.owner == one.owner, code.c.reward == one.reward)
    await conn.execute(update(code).where(*mine, code.c.redemption == name).values(redemption=None))
    await _end(conn, sender, name, RETURNED, now)
    return ""


def _kept(row: Row[Any], one: Redemption, epoch: int) -> str:
    """Why something that was drawn cannot be given back, or nothing."""
    if row.ended == SPENT:
        return "it was spent"
    if row.epoch != epoch:
        return f"it was drawn in epoch {row.epoch}: after a restore what was not confirmed counts as spent"
    if (one.state, Event.returned) not in states.TABLE:
        return f"it is {one.state}"
    return "its voucher was used" if one.token_used_at is not None else ""


async def alive(conn: AsyncConnection, sender: Sender, epoch: int) -> None:
    """See that this is the life of the agent that goes on.

    Raises:
        RefusedError: another one is.
    """
    table = schema.agent.c
    mine = (table.campus == sender.campus, table.agent == sender.agent)
    known = await conn.scalar(select(table.epoch).where(*mine))
    if known != epoch:
        raise RefusedError(409, "epoch", f"agent {sender.agent} is in epoch {known} here: this is an older copy of it")


async def _row(conn: AsyncConnection, sender: Sender, name: str) -> Row[Any] | None:
    mine = (allowance.c.campus == sender.campus, allowance.c.redemption == name, allowance.c.agent == sender.agent)
    found: Row[Any] | None = (await conn.execute(select(allowance).where(*mine).with_for_update())).first()
    return found


async def _end(conn: AsyncConnection, sender: Sender, name: str, how: str, now: int) -> None:
    mine = (allowance.c.campus == sender.campus, allowance.c.redemption == name)
    await conn.execute(update(allowance).where(*mine).values(ended=how, ended_at=now))
