"""Reading the books: wallets, and every entry that came in, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.store.rows import WalletKey, WalletState
from catalogue.wallets import book, carried
from catalogue.wallets import purse as purses
from catalogue.wallets.moves import EARNED
from wire import entry
from wire.money.lots import Account

PAGE_ROWS = 1000

COLUMNS = (
    "seq",
    "entry_id",
    "occurred_at",
    "recorded_at",
    "learner",
    "rule_id",
    "rules_version",
    "currency",
    "amount",
    "kind",
    "event_id",
    "source",
    "trust",
    "reason",
    "reverses",
    "agent",
    "epoch",
    "rejected",
)
"""An agent's own export, then what only the centre knows. `event_id` is the entry's reference: a pseudonym too."""


async def wallets(
    conn: AsyncConnection, campus: str, *, learner: str | None = None, currency: str | None = None
) -> AsyncIterator[dict[str, Any]]:
    """{learner, currency, balance} of every wallet of a campus, in key order."""
    table = schema.wallet.c
    at = ("", "")
    only = [table.campus == campus]
    if learner is not None:
        only.append(table.learner == learner)
    if currency is not None:
        only.append(table.currency == currency)
    while True:
        after = tuple_(table.learner, table.currency) > tuple_(*at)
        page = select(table.learner, table.currency, table.balance).where(*only, after)
        rows = (await conn.execute(page.order_by(table.learner, table.currency).limit(PAGE_ROWS))).all()
        for row in rows:
            yield {"learner": row.learner, "currency": row.currency, "balance": row.balance}
        if len(rows) < PAGE_ROWS:
            return
        at = (rows[-1].learner, rows[-1].currency)


async def purse(conn: AsyncConnection, campus: str, learner: str) -> list[dict[str, Any]]:
    """{learner, currency, balance} of what the person who has a pseudonym has in all wallets of theirs together."""
    sums = await purses.sums(conn, campus, learner)
    return [{"learner": learner, "currency": currency, "balance": balance} for currency, (balance, _) in sums.items()]


async def lots(conn: AsyncConnection, campus: str, learner: str, currency: str) -> dict[str, Any]:
    """{lots: [{ref, amount, left, expires_at}], owed} of one wallet, the first to be used first."""
    found = await _held(conn, campus, learner, currency)
    account = (await book.accounts(conn, campus, found)).get((learner, currency), Account())
    shown = [
        {"ref": lot.ref, "amount": lot.amount, "left": lot.left, "expires_at": lot.expires_at} for lot in account.lots
    ]
    return {"lots": shown, "owed": account.debt}


async def history(conn: AsyncConnection, campus: str, learner: str, currency: str) -> list[dict[str, Any]]:
    """Every movement of one wallet that is here in order, each with the balance after it."""
    found = await _held(conn, campus, learner, currency)
    lines = await book.history(conn, campus, found.values())
    before = await carried.after(conn, campus, book.ends(lines, found.values()))
    balance, rows = sum(one.state.balance for one in before.values()), []
    for row in lines:
        balance += row.amount + row.waived
        rows.append({**row._asdict(), "balance": balance})
    return rows


async def _held(conn: AsyncConnection, campus: str, learner: str, currency: str) -> dict[WalletKey, WalletState]:
    table = schema.wallet.c
    mine = (table.campus == campus, table.learner == learner, table.currency == currency)
    row = (await conn.execute(select(*(table[name] for name in WalletState._fields)).where(*mine))).first()
    return {} if row is None else {(learner, currency): WalletState(*row)}


async def entries(
    conn: AsyncConnection, campus: str, agent: str | None = None, *, after: tuple[str, int, int] = ("", 0, 0)
) -> AsyncIterator[Row[Any]]:
    """(agent, epoch, seq, body, rejected) of every entry of a campus after one (agent, epoch, seq), in key order."""
    table = schema.entry.c
    at = after
    only = [table.campus == campus] if agent is None else [table.campus == campus, table.agent == agent]
    while True:
        later = tuple_(table.agent, table.epoch, table.seq) > tuple_(*at)
        page = select(table.agent, table.epoch, table.seq, table.body, table.rejected).where(*only, later)
        ordered = page.order_by(table.agent, table.epoch, table.seq).limit(PAGE_ROWS)
        rows: list[Any] = list((await conn.execute(ordered)).all())
        for row in rows:
            yield row
        if len(rows) < PAGE_ROWS:
            return
        at = (rows[-1].agent, rows[-1].epoch, rows[-1].seq)


async def events(conn: AsyncConnection, campus: str, rows: Sequence[Row[Any]]) -> dict[str, str]:
    """By the name of a movement of these the reference of its event, where an agent's entry made it and is here.

    Looked for among what was posted when the ``rows`` were; then elsewhere, because an entry that was set aside is of
    the month in which it came.
    """
    wanted = {row.ref: place for row in rows if row.kind in EARNED and (place := _place(row.ref)) is not None}
    if not wanted:
        return {}
    dates = [row.posted_at for row in rows]
    when = schema.entry.c.posted_at
    found = await _references(conn, campus, wanted, when.between(min(dates), max(dates)))
    late = {ref: place for ref, place in wanted.items() if ref not in found}
    return found | (await _references(conn, campus, late, true()) if late else {})


async def _references(
    conn: AsyncConnection, campus: str, wanted: Mapping[str, tuple[str, int, int]], when: ColumnElement[bool]
) -> dict[str, str]:
    table = schema.entry.c
    seqs: dict[tuple[str, int], list[int]] = {}
    for agent, epoch, seq in wanted.values():
        seqs.setdefault((agent, epoch), []).append(seq)
    found: dict[str, str] = {}
    for (agent, epoch), some in seqs.items():
        mine = (table.campus == campus, table.agent == agent, table.epoch == epoch, table.seq.in_(some), when)
        for seq, body in await conn.execute(select(table.seq, table.body).where(*mine)):
            try:
                found[f"{agent}/{epoch}-{seq}"] = str(entry.decode(bytes(body)).get("event_ref", ""))
            except entry.MalformedEntryError:
                continue
    return found


def _place(ref: str) -> tuple[str, int, int] | None:
    """Agent, epoch and seq of an entry by its movement's name."""
    agent, _, rest = ref.rpartition("/")
    epoch, _, seq = rest.partition("-")
    return (agent, int(epoch), int(seq)) if agent and epoch.isdecimal() and seq.isdecimal() else None


def as_columns(row: Row[Any]) -> dict[str, Any]:
    """One entry by `COLUMNS`; what cannot be read has only its place and why it was rejected."""
    place = {"seq": row.seq, "agent": row.agent, "epoch": row.epoch, "rejected": row.rejected or ""}
    try:
        fields = entry.decode(bytes(row.body))
    except entry.MalformedEntryError:
        return dict.fromkeys(COLUMNS, "") | place
    named = {"rule_id": fields["rule"], "event_id": fields.get("event_ref", "")}
    return {name: fields.get(name, "") for name in COLUMNS} | named | place
