"""PostgreSQL: one COPY and one statement per batch."""

from __future__ import annotations

import asyncpg
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from catalogue.store.rows import EntryRow, WalletMove

CONNECTIONS_MAX = 10
STATEMENT_S_MAX = 60
"""Longest single statement, in seconds."""

_ENTRY_COLUMNS = ("campus", "agent", "epoch", "seq", "body", "rejected")
_MOVE_WALLETS = text(
    "INSERT INTO wallet (campus, learner, currency, balance)"
    " SELECT CAST(:campus AS text), move.*"
    " FROM unnest(CAST(:learners AS text[]), CAST(:currencies AS text[]), CAST(:amounts AS bigint[])) AS move"
    " ON CONFLICT (campus, learner, currency) DO UPDATE SET balance = wallet.balance + excluded.balance"
)
_BALANCES = text(
    "SELECT wallet.learner, wallet.currency, wallet.balance"
    " FROM unnest(CAST(:learners AS text[]), CAST(:currencies AS text[])) AS want (learner, currency)"
    " JOIN wallet ON wallet.campus = :campus"
    " AND wallet.learner = want.learner AND wallet.currency = want.currency"
)


class Postgres:
    """The production database."""

    def engines(self, url: URL) -> tuple[AsyncEngine, AsyncEngine]:
        """One pool for both: PostgreSQL lets readers and writers be."""
        engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=CONNECTIONS_MAX,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"command_timeout": STATEMENT_S_MAX},
        )
        return engine, engine

    async def add_entries(
        self, conn: AsyncConnection, campus: str, agent: str, epoch: int, rows: list[EntryRow]
    ) -> None:
        """Append entries by COPY, twice as fast as the quickest INSERT; part of the transaction like any statement."""
        driver: asyncpg.Connection = (await conn.get_raw_connection()).driver_connection
        records = [(campus, agent, epoch, *row) for row in rows]
        try:
            await driver.copy_records_to_table("entry", records=records, columns=_ENTRY_COLUMNS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            raise DBAPIError("COPY entry", None, exc) from exc

    async def move_wallets(self, conn: AsyncConnection, campus: str, moves: list[WalletMove]) -> None:
        """Add to balances in key order, so that two batches never wait for each other in a circle."""
        learners, currencies, amounts = (list(column) for column in zip(*moves, strict=True))
        values = {"campus": campus, "learners": learners, "currencies": currencies, "amounts": amounts}
        await conn.execute(_MOVE_WALLETS, values)

    async def balances(
        self, conn: AsyncConnection, campus: str, wallets: list[tuple[str, str]]
    ) -> dict[tuple[str, str], int]:
        """The balances of those wallets that there are."""
        learners, currencies = (list(column) for column in zip(*wallets, strict=True))
        rows = await conn.execute(_BALANCES, {"campus": campus, "learners": learners, "currencies": currencies})
        return {(learner, currency): balance for learner, currency, balance in rows}
