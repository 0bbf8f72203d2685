"""What an agent's stored bytes come to, a few batches at a time, for whoever compares three books."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.proof import archived, rejected
from catalogue.tenants import Sender
from wire import chain
from wire.keeping import Sums, add_up

BATCHES_AT_ONCE = 20


async def after(conn: AsyncConnection, sender: Sender, epoch: int, seq: int) -> Sums:
    """The sums of the agent's next batches after entry ``seq`` of ``epoch``, from the bytes alone.

    Raises:
        RefusedError: part of them is in the archive.
    """
    await archived.need(conn, sender.campus, sender.agent, seq)
    batch, entry = schema.batch.c, schema.entry.c
    later = (batch.epoch > epoch) | ((batch.epoch == epoch) & (batch.first_seq > seq))
    mine = (batch.campus == sender.campus, batch.agent == sender.agent)
    columns = (batch.epoch, batch.first_seq, batch.last_seq, batch.previous)
    ordered = select(*columns).where(*mine, later).order_by(batch.epoch, batch.first_seq)
    later_on = await rejected.accepted(conn, sender.campus, sender.agent)
    heads: dict[int, bytes] = {}
    posted: list[bytes] = []
    aside = 0
    for row in (await conn.execute(ordered.limit(BATCHES_AT_ONCE))).all():
        own = (entry.campus == sender.campus, entry.agent == sender.agent, entry.epoch == row.epoch)
        inside = select(entry.seq, entry.body, entry.rejected).where(
            *own, entry.seq.between(row.first_seq, row.last_seq)
        )
        head = bytes(row.previous)
        for number, body, reason in await conn.execute(inside.order_by(entry.seq)):
            head = chain.step(head, bytes(body))
            if reason is None or (row.epoch, number) in later_on:
                posted.append(bytes(body))
            else:
                aside += 1
        heads[row.last_seq] = head
        epoch = row.epoch
    return Sums(after=seq, epoch=epoch, heads=heads, sums=add_up(posted), aside=aside)
