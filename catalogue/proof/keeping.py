"""Sealed persons kept for an agent, its batches served back to it, and its takeover after a restore."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.people import links, names
from catalogue.proof import archived
from catalogue.recognition import erasing
from catalogue.schema import sealed_person
from catalogue.store import scrubbing
from catalogue.tenants import Sender
from wire import keeping
from wire.keeping import Page, Persons, Sealed, Takeover


async def keep(conn: AsyncConnection, sender: Sender, message: Persons, *, now: int) -> None:
    """Keep the persons of a message in place of older copies, and forget those that are gone, names and words.

    Raises:
        RefusedError: the message is another agent's.
    """
    require_own(sender, message.campus, message.agent)
    mine = {"campus": sender.campus, "agent": sender.agent}
    if message.persons:
        # Both databases spell this alike, and SQLAlchemy has a class for each.
        upsert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
        statement: Any = upsert(sealed_person)
        again = {"sealed": statement.excluded.sealed, "kept_at": statement.excluded.kept_at}
        rows = [mine | {"name": one.name, "sealed": one.sealed, "kept_at": now} for one in message.persons]
        key = ["campus", "agent", "name"]
        await conn.execute(statement.on_conflict_do_update(index_elements=key, set_=again), rows)
    if message.gone:
        table = sealed_person.c
        owned = (table.campus == sender.campus, table.agent == sender.agent)
        await conn.execute(delete(sealed_person).where(*owned, table.name.in_(message.gone)))
        await links.forget(conn, sender, message.gone)
        await names.erase(conn, sender, message.gone, now=now)
        await erasing.erase(conn, sender.campus, message.gone)
        await scrubbing.note(conn, sender.campus, *scrubbing.TABLES, now=now)


async def persons(conn: AsyncConnection, sender: Sender, after: str) -> Persons:
    """The next kept persons of an agent after a name, in the order of their names; empty at the end."""
    table = sealed_person.c
    wanted = select(table.name, table.sealed).where(table.campus == sender.campus, table.agent == sender.agent)
    if after != keeping.FIRST:
        wanted = wanted.where(table.name > after)
    rows = (await conn.execute(wanted.order_by(table.name).limit(keeping.PERSONS_MAX))).all()
    found = tuple(Sealed(name=row.name, sealed=bytes(row.sealed)) for row in rows)
    return Persons(campus=sender.campus, agent=sender.agent, persons=found)


async def history(conn: AsyncConnection, sender: Sender, epoch: int, seq: int) -> Page:
    """The agent's first batch after entry ``seq`` of ``epoch``, as it was received.

    Raises:
        RefusedError: there is none, or it is in the archive.
    """
    await archived.need(conn, sender.campus, sender.agent, seq)
    table = schema.batch.c
    later = or_(table.epoch > epoch, and_(table.epoch == epoch, table.first_seq > seq))
    wanted = select(schema.batch).where(table.campus == sender.campus, table.agent == sender.agent, later)
    row = (await conn.execute(wanted.order_by(table.epoch, table.first_seq).limit(1))).first()
    if row is None:
        raise RefusedError(404, "no-more", f"nothing was received after entry {seq} of epoch {epoch}")
    entry = schema.entry.c
    mine = (entry.campus == sender.campus, entry.agent == sender.agent, entry.epoch == row.epoch)
    inside = select(entry.body).where(*mine, entry.seq.between(row.first_seq, row.last_seq)).order_by(entry.seq)
    bodies = [bytes(body) for body in (await conn.scalars(inside)).all()]
    return Page(
        receipt=bytes(row.receipt),
        signature=json.loads(row.signature),
        batch=b"\n".join([bytes(row.header), *bodies, b""]),
    )


async def take_over(conn: AsyncConnection, sender: Sender, message: Takeover) -> None:
    """Let an agent go on in a new epoch, if its history is the one that is known here; the same again changes nothing.

    Raises:
        RefusedError: it stands elsewhere, the epoch is not new, or the message is another agent's.
    """
    require_own(sender, message.campus, message.agent)
    table = schema.agent.c
    mine = (table.campus == sender.campus, table.agent == sender.agent)
    row = (await conn.execute(select(schema.agent).where(*mine).with_for_update())).one()
    if (row.seq, bytes(row.head)) != (message.seq, message.head):
        raise RefusedError(409, "elsewhere", f"agent {sender.agent} stands at {row.seq} here, with another history")
    if message.epoch == row.epoch:
        return
    if message.epoch != row.epoch + 1:
        raise RefusedError(409, "epoch", f"agent {sender.agent} is in epoch {row.epoch} here; the next is one more")
    await conn.execute(update(schema.agent).where(*mine).values(epoch=message.epoch))


def require_own(sender: Sender, campus: str, agent: str) -> None:
    """See that a signed message names the agent that signed it.

    Raises:
        RefusedError: it names another.
    """
    if (campus, agent) != (sender.campus, sender.agent):
        raise RefusedError(403, "not-yours", "the message names another campus or agent than the key that signed it")
