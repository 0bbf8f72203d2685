"""Rejected entries: listed with their reasons, and accepted later from the bytes that were stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Row, exists, func, insert, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import ingest
from catalogue.errors import CatalogueError
from catalogue.funding.issue import OVER
from catalogue.ingest import TAKES_BACK, Author
from catalogue.recognition.agents import badges
from catalogue.schema import accepted_entry, batch, entry
from catalogue.store import Store
from catalogue.wallets import book
from catalogue.wallets.moves import Move, as_movement
from wire import canonical
from wire.entry import decode
from wire.money import terms
from wire.money.lots import Account

LISTED_MAX = 1000
SEQ_DIGITS_MAX = 18


class Place(NamedTuple):
    """Where an entry stands: in words `agent-1/1-1001`, its agent, epoch and number."""

    agent: str = ""
    epoch: int = 0
    seq: int = 0

    def __str__(self) -> str:
        """As it is typed and told."""
        return f"{self.agent}/{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; nothing is before the first entry.

        Raises:
            CatalogueError: that is no place.
        """
        agent, slash, rest = text.rpartition("/")
        epoch, dash, seq = rest.partition("-")
        if not text:
            return cls()
        if not agent or not slash or not dash or not all(_is_number(part) for part in (epoch, seq)):
            raise CatalogueError(
                f"{text!r} is no entry", hint="AGENT/EPOCH-SEQ, as entry list tells it: agent-1/1-1001"
            )
        return cls(agent, int(epoch), int(seq))


BEGINNING = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries that still move nothing: those after ``after``, of one agent, whose reason has ``because`` in it.

    ``over`` are those alone that were over the issue limit, or take such an entry back.
    """

    agent: str | None = None
    because: str = ""
    over: bool = False
    after: Place = BEGINNING


EVERY = Wanted()


async def listed(
    conn: AsyncConnection, campus: str, wanted: Wanted = EVERY, *, most: int = LISTED_MAX
) -> list[dict[str, Any]]:
    """{agent, epoch, seq, reason, entry} of the entries that still move nothing, in key order, at most so many."""
    table = entry.c
    later = tuple_(table.agent, table.epoch, table.seq) > tuple_(*wanted.after)
    found = select(entry).where(*_aside(campus, wanted), later).order_by(table.agent, table.epoch, table.seq)
    return [
        {
            "agent": row.agent,
            "epoch": row.epoch,
            "seq": row.seq,
            "reason": row.rejected,
            "entry": bytes(row.body).decode("utf-8", "replace"),
        }
        for row in await conn.execute(found.limit(most))
    ]


async def count(conn: AsyncConnection, campus: str, wanted: Wanted = EVERY) -> int:
    """How many entries still move nothing, wherever a list of them begins."""
    return int(await conn.scalar(select(func.count()).select_from(entry).where(*_aside(campus, wanted))) or 0)


def _aside(campus: str, wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    why = entry.c.rejected
    yield entry.c.campus == campus
    yield why.is_not(None)
    yield ~_accepted()
    if wanted.agent is not None:
        yield entry.c.agent == wanted.agent
    if wanted.because:
        yield func.lower(why).contains(wanted.because.lower(), autoescape=True)
    if wanted.over:
        yield or_(why.startswith(OVER), why == TAKES_BACK)


async def accept(
    store: Store, conn: AsyncConnection, campus: str, name: str, seq: int, *, by: str, reason: str, now: int
) -> dict[str, Any]:
    """Post the stored bytes of a rejected entry, judged by what this program knows now; what it moved.

    ``taken_back_by`` are the numbers of entries that take it back and are set aside because it was.

    Raises:
        CatalogueError: there is no such rejected entry, it was accepted before, or it still cannot be posted (why).
    """
    row = await _rejected(conn, campus, name, seq)
    judged = ingest.Judge(await _author(conn, row))(bytes(row.body), seq=seq)
    if not isinstance(judged, Move):
        raise CatalogueError(
            f"entry {seq} of {name} still cannot be posted: {judged}",
            hint="a newer rewards-catalogue may know it; else the campus adjusts by hand: rewards-agent ledger adjust",
        )
    if judged.kind == "reversal" and judged.amount < 0 and await aside(conn, campus, name, {judged.about}):
        raise CatalogueError(
            f"entry {seq} of {name} takes back {judged.about}, which is set aside itself", hint="accept that one first"
        )
    held = await book.hold(store, conn, campus, [judged.key])
    state = held[judged.key]
    if why := ingest.bursts(state.balance, state.earned, judged.amount):
        raise CatalogueError(f"entry {seq} of {name}: {why}", hint="it stays aside")
    if ingest.may_waive(judged):
        account = (await book.accounts(conn, campus, held)).get(judged.key) or Account()
        if ingest.is_taken_back(account, judged):
            raise CatalogueError(f"entry {seq} of {name}: {ingest.TAKEN_BACK}, by another", hint="it stays aside")
        judged = judged._replace(waived=account.move(as_movement(judged)))
    await badges.follow(conn, campus, name, [judged])
    no = await book.post(store, conn, campus, [judged], held, now=now)
    place = {"campus": campus, "agent": name, "epoch": row.epoch, "seq": seq}
    said = {"accepted_at": now, "accepted_by": by, "reason": reason, "no": no}
    await conn.execute(insert(accepted_entry), place | said)
    moved = {"learner": judged.learner, "currency": judged.currency, "amount": judged.amount}
    return {"agent": name, "seq": seq, **moved, "taken_back_by": await _taken_back_by(conn, campus, judged.ref)}


async def _taken_back_by(conn: AsyncConnection, campus: str, ref: str) -> list[int]:
    """The numbers of the entries that would take back this one of an agent's and move nothing."""
    name, _, entry_id = ref.rpartition("/")
    mine = (entry.c.campus == campus, entry.c.agent == name, entry.c.rejected == TAKES_BACK, ~_accepted())
    rows = await conn.execute(select(entry.c.seq, entry.c.body).where(*mine).order_by(entry.c.seq))
    return [row.seq for row in rows if decode(bytes(row.body))["reverses"] == entry_id]


async def aside(conn: AsyncConnection, campus: str, name: str, refs: Collection[str]) -> set[str]:
    """Which of these entries of an agent (<agent>/<epoch>-<seq>) move nothing here."""
    seqs = {int(ref.rpartition("-")[2]): ref for ref in refs if ref.startswith(f"{name}/") and _ends_in_a_seq(ref)}
    if not seqs:
        return set()
    mine = (entry.c.campus == campus, entry.c.agent == name, entry.c.seq.in_(seqs), entry.c.rejected.is_not(None))
    return {seqs[seq] for seq in await conn.scalars(select(entry.c.seq).where(*mine, ~_accepted()))}


def _ends_in_a_seq(ref: str) -> bool:
    return _is_number(ref.rpartition("-")[2])


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdecimal() and len(digits) <= SEQ_DIGITS_MAX


async def accepted(conn: AsyncConnection, campus: str, name: str, after: int = 0) -> set[tuple[int, int]]:
    """(epoch, seq) of an agent's entries that were accepted later, by movements after a number."""
    table = accepted_entry.c
    mine = (table.campus == campus, table.agent == name, or_(table.no.is_(None), table.no > after))
    rows = await conn.execute(select(table.epoch, table.seq).where(*mine))
    return {(epoch, seq) for epoch, seq in rows}


def _accepted() -> Any:
    table, same = accepted_entry.c, entry.c
    return exists().where(
        table.campus == same.campus, table.agent == same.agent, table.epoch == same.epoch, table.seq == same.seq
    )


async def _rejected(conn: AsyncConnection, campus: str, name: str, seq: int) -> Row[Any]:
    mine = (entry.c.campus == campus, entry.c.agent == name, entry.c.seq == seq)
    found = (await conn.execute(select(entry).where(*mine, entry.c.rejected.is_not(None), ~_accepted()))).first()
    if found is None:
        raise CatalogueError(
            f"entry {seq} of {name} is not among the rejected ones of {campus}",
            hint=f"see: rewards-catalogue entry list {campus}",
        )
    return found


async def _author(conn: AsyncConnection, row: Row[Any]) -> Author:
    """Who wrote it, with the terms of the batch that it came in."""
    table = batch.c
    mine = (table.campus == row.campus, table.agent == row.agent, table.epoch == row.epoch)
    came = select(table.header).where(*mine, table.first_seq <= row.seq).order_by(table.first_seq.desc()).limit(1)
    header = canonical.load(bytes((await conn.execute(came)).one().header), what="the header")
    return Author(agent=row.agent, epoch=row.epoch, terms=terms.parse(header.get(terms.FIELD)))
