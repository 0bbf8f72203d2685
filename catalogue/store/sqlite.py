"""SQLite: the embedded default. One connection writes, a few read; write-ahead log, every commit durable."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import URL, Connection, event, insert, text
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from catalogue import schema
from catalogue.store.rows import EntryRow, WalletMove

READERS_MAX = 4
BUSY_TIMEOUT_MS = 10_000
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # else INSERT OR REPLACE slips past the triggers that guard the books
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
)

_BALANCES = text(
    "SELECT wallet.learner, wallet.currency, wallet.balance FROM json_each(:wanted) AS want"
    " JOIN wallet ON wallet.campus = :campus"
    " AND wallet.learner = want.value ->> 0 AND wallet.currency = want.value ->> 1"
)


class Sqlite:
    """The embedded database."""

    def engines(self, url: URL) -> tuple[AsyncEngine, AsyncEngine]:
        """A pool of readers, and a single connection that writes."""
        place = url.set(drivername="sqlite+aiosqlite")
        return _engine(place, READERS_MAX, "BEGIN"), _engine(place, 1, "BEGIN IMMEDIATE")

    async def add_entries(
        self, conn: AsyncConnection, campus: str, agent: str, epoch: int, rows: list[EntryRow]
    ) -> None:
        """Append entries in one prepared statement."""
        owner = {"campus": campus, "agent": agent, "epoch": epoch}
        await conn.execute(insert(schema.entry), [owner | row._asdict() for row in rows])

    async def move_wallets(self, conn: AsyncConnection, campus: str, moves: list[WalletMove]) -> None:
        """Add to balances, opening wallets where there are none."""
        statement = upsert(schema.wallet)
        statement = statement.on_conflict_do_update(
            index_elements=["campus", "learner", "currency"],
            set_={"balance": schema.wallet.c.balance + statement.excluded.balance},
        )
        rows = [
            {"campus": campus, "learner": move.learner, "currency": move.currency, "balance": move.amount}
            for move in moves
        ]
        await conn.execute(statement, rows)

    async def balances(
        self, conn: AsyncConnection, campus: str, wallets: list[tuple[str, str]]
    ) -> dict[tuple[str, str], int]:
        """The balances of those wallets that there are."""
        rows = await conn.execute(_BALANCES, {"campus": campus, "wanted": json.dumps(wallets)})
        return {(learner, currency): balance for learner, currency, balance in rows}


def _engine(place: URL, connections: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(place, pool_size=connections, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transactions begin too late and too weak; `begin` below does it.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
