"""One batch, one transaction: dedupe, continuity, entries, wallets, receipt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import ingest, schema
from catalogue.errors import RefusedError
from catalogue.funding import issue
from catalogue.proof import rejected, sites
from catalogue.store import Store
from catalogue.store.rows import BatchPlace
from catalogue.tenants import Sender
from catalogue.wallets import book, currencies
from wire import receipt, signing
from wire.batch import Batch
from wire.keys import Key
from wire.receipt import Receipt, Stand
from wire.signing import Headers, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReceipt:
    """A receipt as it was first given: its bytes and the headers that sign them."""

    body: bytes
    headers: dict[str, str]


async def receive(store: Store, key: Key, sender: Sender, batch: Batch, *, now: int) -> StoredReceipt | Stand:
    """Take a proven batch into the books, or say where its agent stands.

    The same bytes again get the stored receipt again. A stand is the answer to a batch that does not follow: another
    one for a known range (``fork``), a gap or an overlap (``not-next``), another history (``history``), an epoch that
    is over (``epoch``), the same bytes again whose receipt is in the archive (``archived``).

    Raises:
        RefusedError: the batch is not the sender's, or of another environment.
    """
    header = batch.header
    if (header.campus, header.agent) != (sender.campus, sender.agent):
        raise RefusedError(403, "not-yours", "the batch names another campus or agent than the key that signed it")
    if header.environment != sender.environment:
        message = f"campus {sender.campus} is {sender.environment} here, the batch is {header.environment}"
        raise RefusedError(403, "environment", message)
    # Looked for before the work: an agent whose answer was lost sends what it sent, and may do so for hours.
    async with store.reading() as conn:
        known = await _known(conn, batch)
        again = await _again(conn, batch, known)
    if again is not None:
        return again
    sifted, reads = ingest.sift(batch), sites.named(header)
    try:
        return await _taken(store, key, sender, batch, sifted, reads, now=now)
    except sites.TakenError as taken:
        async with store.writing() as conn:
            await sites.note(conn, sender.campus, taken.name, sender.agent, now=now)
        message = (
            f"site {taken.name} is read by {taken.owner} of this campus: stop one of the two agents; if these are two"
            " sites, give this one a name of its own ([[source]] name)"
        )
        raise RefusedError(403, "site-taken", message) from None


async def _taken(
    store: Store, key: Key, sender: Sender, batch: Batch, sifted: ingest.Sifted, reads: Sequence[str], *, now: int
) -> StoredReceipt | Stand:
    """One transaction: all of the batch, or where its agent stands."""
    async with store.writing() as conn:
        row = await _lock(conn, sender)
        if row.state != "active":
            raise RefusedError(403, "revoked", f"agent {sender.agent} was revoked: enrol again with a new token")
        known = await _known(conn, batch)
        again = await _again(conn, batch, known)
        if again is not None:
            return again
        why = _why_not(batch, row, known)
        if why:
            return _stand(sender, row, why, now=now)
        await _refuse_a_second_name(conn, batch, row)
        await sites.claim(conn, sender.campus, sender.agent, reads, now=now)
        rooms = await issue.hold(conn, sender.campus, now=now)
        held = await book.hold(store, conn, sender.campus, sifted.wallets())
        taken_back = {name: held[name] for name in sifted.reversed()}
        known_here = ingest.Known(
            held=held,
            accounts=await book.accounts(conn, sender.campus, taken_back),
            rooms=rooms,
            aside=await rejected.aside(conn, sender.campus, sender.agent, sifted.taken_back()),
        )
        posting = ingest.post(batch, sifted, known_here)
        if rooms:
            await issue.count(conn, sender.campus, rooms, posting.given())
        stored = _receipt(key, batch, posting, now)
        await currencies.learn(conn, sender.campus, sifted.terms)
        # From here on the campus's other batches wait: all of this one is of one date, and so of one month.
        posted = await book.number(conn, sender.campus, len(posting.moves), now=now)
        await _write(store, conn, sender, batch, posting, stored, now=now, posted_at=posted.posted_at)
        await book.write(store, conn, sender.campus, posting.moves, held, posted=posted)
        return stored


async def stand(conn: AsyncConnection, sender: Sender, *, now: int) -> Stand:
    """Where an agent stands, and what it must know."""
    mine = (schema.agent.c.campus == sender.campus, schema.agent.c.agent == sender.agent)
    row = (await conn.execute(select(schema.agent).where(*mine))).one()
    notice = await sites.notice(conn, sender.campus, sender.agent, now=now)
    return _stand(sender, row, "", now=now, notice=notice)


async def _lock(conn: AsyncConnection, sender: Sender) -> Row[Any]:
    """The agent's row, held until the transaction ends: batches of one agent are taken one after the other."""
    mine = (schema.agent.c.campus == sender.campus, schema.agent.c.agent == sender.agent)
    return (await conn.execute(select(schema.agent).where(*mine).with_for_update())).one()


async def _known(conn: AsyncConnection, batch: Batch) -> Row[Any] | None:
    """(digest, posted_at) of the batch that began where this one does, in whatever month it came."""
    table = schema.batch_key.c
    same = select(table.digest, table.posted_at).where(*_place(schema.batch_key, batch))
    found: Row[Any] | None = (await conn.execute(same)).first()  # type: ignore[assignment]
    return found


async def _again(conn: AsyncConnection, batch: Batch, known: Row[Any] | None) -> StoredReceipt | None:
    """The receipt of these very bytes, if they came before and are not in the archive."""
    if known is None or bytes(known.digest) != batch.digest:
        return None
    table = schema.batch
    same = select(table.c.receipt, table.c.signature).where(*_place(table, batch), table.c.posted_at == known.posted_at)
    row = (await conn.execute(same)).first()
    if row is None:
        return None
    return StoredReceipt(body=bytes(row.receipt), headers=json.loads(row.signature))


def _place(table: Table, batch: Batch) -> tuple[ColumnElement[bool], ...]:
    header = batch.header
    names = ("campus", "agent", "epoch", "first_seq")
    return tuple(table.c[name] == getattr(header, name) for name in names)


async def _refuse_a_second_name(conn: AsyncConnection, batch: Batch, row: Row[Any]) -> None:
    """A ledger that was delivered under one name must not be paid again under another.

    Raises:
        RefusedError: another agent of the campus has this very first entry.
    """
    if row.seq:
        return
    agents, entries = schema.agent.c, schema.entry.c
    others = select(agents.agent).where(agents.campus == row.campus, agents.agent != row.agent, agents.seq > 0)
    for other in (await conn.scalars(others)).all():
        first = select(entries.body).where(entries.campus == row.campus, entries.agent == other)
        body = await conn.scalar(first.order_by(entries.epoch, entries.seq).limit(1))
        if body is not None and bytes(body) == batch.entries[0]:
            message = (
                f"this history is {other}'s: enrol with a token for it (tenant token {row.campus} --agent {other})"
            )
            raise RefusedError(403, "second-name", message)


def _why_not(batch: Batch, row: Row[Any], known: Row[Any] | None) -> str:
    """Why a batch does not follow where its agent stands, or nothing. A new epoch goes on where the old one ended."""
    header = batch.header
    if known is not None:
        return "archived" if bytes(known.digest) == batch.digest else "fork"
    if header.epoch < row.epoch:
        return "epoch"
    if header.first_seq != row.seq + 1:
        return "not-next"
    if header.previous != bytes(row.head):
        return "history"
    return ""


def _stand(sender: Sender, row: Row[Any], why: str, *, now: int, notice: str = "") -> Stand:
    return Stand(
        campus=sender.campus,
        agent=sender.agent,
        epoch=row.epoch,
        seq=row.seq,
        head=bytes(row.head),
        why=why,
        at=now,
        notice=notice,
    )


def _receipt(key: Key, batch: Batch, posting: ingest.Posting, now: int) -> StoredReceipt:
    header = batch.header
    body = receipt.encode_receipt(
        Receipt(
            campus=header.campus,
            agent=header.agent,
            epoch=header.epoch,
            first_seq=header.first_seq,
            last_seq=header.last_seq,
            digest=batch.digest,
            head=header.head,
            accepted=len(batch.entries) - len(posting.rejected),
            rejected=posting.rejected,
            received_at=now,
        )
    )
    answer = Response(status_code=200, headers=Headers([("Content-Type", receipt.CONTENT_TYPE)]))
    return StoredReceipt(
        body=body, headers=signing.sign_response(answer, body, key=key, created=now, tag=signing.RECEIPT_TAG)
    )


async def _write(
    store: Store,
    conn: AsyncConnection,
    sender: Sender,
    batch: Batch,
    posting: ingest.Posting,
    stored: StoredReceipt,
    *,
    now: int,
    posted_at: int,
) -> None:
    header = batch.header
    place = BatchPlace(campus=header.campus, agent=header.agent, epoch=header.epoch, posted_at=posted_at)
    owner = place._asdict()
    await store.dialect.add_entries(conn, place, posting.rows)
    await conn.execute(insert(schema.batch_key), owner | {"first_seq": header.first_seq, "digest": batch.digest})
    row: dict[str, Any] = {
        "first_seq": header.first_seq,
        "last_seq": header.last_seq,
        "digest": batch.digest,
        "header": batch.header_body,
        "previous": header.previous,
        "head": header.head,
        "receipt": stored.body,
        "signature": json.dumps(stored.headers, sort_keys=True),
        "received_at": now,
    }
    await conn.execute(insert(schema.batch), owner | row)
    mine = (schema.agent.c.campus == header.campus, schema.agent.c.agent == header.agent)
    moved = {"epoch": header.epoch, "seq": header.last_seq, "head": header.head}
    moved |= {"heard_at": now, "skew_s": sender.skew_s}
    await conn.execute(update(schema.agent).where(*mine).values(moved))
