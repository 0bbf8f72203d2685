"""Reading the books: wallets, and every entry that came in, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.store.rows import WalletKey, WalletState
from catalogue.wallets import book, carried
from catalogue.wallets import purse as purses
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


def as_columns(row: Row[Any]) -> dict[str, Any]:
    """One entry by `COLUMNS`; what cannot be read has only its place and why it was rejected."""
    place = {"seq": row.seq, "agent": row.agent, "epoch": row.epoch, "rejected": row.rejected or ""}
    try:
        fields = entry.decode(bytes(row.body))
    except entry.MalformedEntryError:
        return dict.fromkeys(COLUMNS, "") | place
    named = {"rule_id": fields["rule"], "event_id": fields.get("event_ref", "")}
    return {name: fields.get(name, "") for name in COLUMNS} | named | place
