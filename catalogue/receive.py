"""One batch, one transaction: dedupe, continuity, entries, wallets, receipt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import ingest, schema
from catalogue.errors import RefusedError
from catalogue.funding import issue
from catalogue.proof import rejected, sites
from catalogue.recognition.agents import badges
from catalogue.store import Store
from catalogue.store.rows import BatchPlace, BatchRow
from catalogue.tenants import Sender, refuse_revoked
from catalogue.wallets import book, currencies
from wire import receipt, signing
from wire.batch import Batch, Envelope, Header
from wire.keys import Key
from wire.receipt import Receipt, Stand
from wire.signing import Headers, Response

HEARD_S = 60
"""How often it is noted that an agent was heard, in seconds."""

# Asked with every batch, and so put together once.
_AGENT = select(schema.agent).where(
    schema.agent.c.campus == bindparam("campus"), schema.agent.c.agent == bindparam("agent")
)
_AGENT_HELD = _AGENT.with_for_update()
_PLACE = ("campus", "agent", "epoch", "first_seq")
_WHERE_IT_IS = tuple(schema.batch.c[name] == schema.batch_key.c[name] for name in (*_PLACE, "posted_at"))
_KNOWN = (
    select(schema.batch_key.c.digest, schema.batch.c.receipt, schema.batch.c.signature)
    .select_from(schema.batch_key.outerjoin(schema.batch, and_(*_WHERE_IT_IS)))
    .where(*(schema.batch_key.c[name] == bindparam(name) for name in _PLACE))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReceipt:
    """A receipt as it was first given: its bytes and the headers that sign them."""

    body: bytes
    headers: dict[str, str]
    posted: int = field(default=0, compare=False)
    """Entries that went to wallets with it; none where it was given before."""
    aside: int = field(default=0, compare=False)
    """Entries that were set aside with it."""


async def receive(store: Store, key: Key, sender: Sender, sent: Envelope, *, now: int) -> StoredReceipt | Stand:
    """Take a proven batch into the books, or say where its agent stands.

    The same bytes again get the stored receipt again. A stand is the answer to a batch that does not follow: another
    one for a known range (``fork``), a gap or an overlap (``not-next``), another history (``history``), an epoch that
    is over (``epoch``), the same bytes again whose receipt is in the archive (``archived``).

    Raises:
        RefusedError: the batch is not the sender's, of another environment, or of an epoch from before its key, whose
            own was not begun.
        MalformedError: its entries are not what its header says, or its header says what cannot be.
    """
    header = sent.header
    if (header.campus, header.agent) != (sender.campus, sender.agent):
        raise RefusedError(403, "not-yours", "the batch names another campus or agent than the key that signed it")
    if header.environment != sender.environment:
        message = f"campus {sender.campus} is {sender.environment} here, the batch is {header.environment}"
        raise RefusedError(403, "environment", message)
    if header.epoch < sender.key_epoch:
        return await _from_before_its_key(store, sender, now=now)
    # Looked for before the work: an agent whose answer was lost sends what it sent, and may do so for hours.
    async with store.glancing() as conn:
        known = await _known(conn, header)
    again = _again(known, sent.digest)
    if again is not None:
        return again
    batch = sent.open()
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


async def _from_before_its_key(store: Store, sender: Sender, *, now: int) -> Stand:
    """Where an agent stands whose key begins a later epoch than the batch is of: an older copy of it sent this.

    Raises:
        RefusedError: that epoch was not begun, and whoever has the key has to do that first.
    """
    async with store.glancing() as conn:
        row = (await conn.execute(_AGENT, {"campus": sender.campus, "agent": sender.agent})).one()
    if row.epoch < sender.key_epoch:
        message = (
            f"this key came with a new token and signs from epoch {sender.key_epoch} on: update rewards-agent and enrol"
            " once more, with the same token"
        )
        raise RefusedError(403, "new-epoch", message)
    return _stand(sender, row, "epoch", now=now)


async def _taken(
    store: Store, key: Key, sender: Sender, batch: Batch, sifted: ingest.Sifted, reads: Sequence[str], *, now: int
) -> StoredReceipt | Stand:
    """One transaction: all of the batch, or where its agent stands."""
    async with store.writing() as conn:
        row = await _lock(conn, sender)
        refuse_revoked(sender.agent, row.state)
        why = _why_not(batch, row)
        if why:
            # Only one that does not follow can have come before, in the meantime by another worker.
            known = await _known(conn, batch.header)
            again = _again(known, batch.digest)
            if again is not None:
                return again
            return _stand(sender, row, why if known is None else _came_before(known, batch.digest), now=now)
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
        await badges.follow(conn, sender.campus, sender.agent, posting.moves)
        # From here on the campus's other batches wait: all of this one is of one date, and so of one month.
        count, kept = len(posting.moves), _kept(batch, stored, now)
        newest, posted_at = await store.dialect.keep_batch(conn, kept, count=count, skew_s=sender.skew_s)
        posted = book.Posted(newest - count + 1, posted_at)
        await store.dialect.add_entries(conn, BatchPlace(*kept[:3], posted_at), posting.rows)
        await book.write(store, conn, sender.campus, posting.moves, held, posted=posted)
        return stored


async def stand(conn: AsyncConnection, sender: Sender, *, now: int) -> Stand:
    """Where an agent stands, and what it must know."""
    row = (await conn.execute(_AGENT, {"campus": sender.campus, "agent": sender.agent})).one()
    notice = await sites.notice(conn, sender.campus, sender.agent, now=now)
    return _stand(sender, row, "", now=now, notice=notice)


async def hear(store: Store, sender: Sender, *, now: int) -> None:
    """Note that an agent was heard that may have had nothing to deliver for long."""
    table = schema.agent.c
    long_ago = or_(table.heard_at.is_(None), table.heard_at < now - HEARD_S)
    mine = (table.campus == sender.campus, table.agent == sender.agent, long_ago)
    async with store.glancing() as conn:
        if await conn.scalar(select(table.agent).where(*mine)) is None:
            return
    async with store.jotting() as conn:
        await conn.execute(update(schema.agent).where(*mine).values(heard_at=now, skew_s=sender.skew_s))


async def _lock(conn: AsyncConnection, sender: Sender) -> Row[Any]:
    """The agent's row, held until the transaction ends: batches of one agent are taken one after the other."""
    return (await conn.execute(_AGENT_HELD, {"campus": sender.campus, "agent": sender.agent})).one()


async def _known(conn: AsyncConnection, header: Header) -> Row[Any] | None:
    """(digest, receipt, signature) of the batch that began where this one does; no receipt where that is archived."""
    place = {name: getattr(header, name) for name in _PLACE}
    found: Row[Any] | None = (await conn.execute(_KNOWN, place)).first()  # type: ignore[assignment]
    return found


def _again(known: Row[Any] | None, digest: bytes) -> StoredReceipt | None:
    """The receipt of these very bytes, if they came before and are not in the archive."""
    if known is None or bytes(known.digest) != digest or known.receipt is None:
        return None
    return StoredReceipt(body=bytes(known.receipt), headers=json.loads(known.signature))


def _came_before(known: Row[Any], digest: bytes) -> str:
    return "archived" if bytes(known.digest) == digest else "fork"


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


def _why_not(batch: Batch, row: Row[Any]) -> str:
    """Why a batch does not follow where its agent stands, or nothing. A new epoch goes on where the old one ended."""
    header = batch.header
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
    aside = len(posting.rejected)
    body = receipt.encode_receipt(
        Receipt(
            campus=header.campus,
            agent=header.agent,
            epoch=header.epoch,
            first_seq=header.first_seq,
            last_seq=header.last_seq,
            digest=batch.digest,
            head=header.head,
            accepted=len(batch.entries) - aside,
            rejected=posting.rejected,
            received_at=now,
        )
    )
    answer = Response(status_code=200, headers=Headers([("Content-Type", receipt.CONTENT_TYPE)]))
    headers = signing.sign_response(answer, body, key=key, created=now, tag=signing.RECEIPT_TAG)
    return StoredReceipt(body=body, headers=headers, posted=len(batch.entries) - aside, aside=aside)


def _kept(batch: Batch, stored: StoredReceipt, now: int) -> BatchRow:
    header = batch.header
    return BatchRow(
        campus=header.campus,
        agent=header.agent,
        epoch=header.epoch,
        first_seq=header.first_seq,
        last_seq=header.last_seq,
        digest=batch.digest,
        header=batch.header_body,
        previous=header.previous,
        head=header.head,
        receipt=stored.body,
        signature=json.dumps(stored.headers, sort_keys=True),
        received_at=now,
    )
