"""Reading the books: wallets, and every entry that came in, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from wire import entry

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


async def entries(conn: AsyncConnection, campus: str, agent: str | None = None) -> AsyncIterator[Row[Any]]:
    """(agent, epoch, seq, body, rejected) of every entry of a campus, in key order."""
    table = schema.entry.c
    at: tuple[str, int, int] = ("", 0, 0)
    only = [table.campus == campus] if agent is None else [table.campus == campus, table.agent == agent]
    while True:
        after = tuple_(table.agent, table.epoch, table.seq) > tuple_(*at)
        page = select(table.agent, table.epoch, table.seq, table.body, table.rejected).where(*only, after)
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
