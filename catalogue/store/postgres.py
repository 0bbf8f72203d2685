"""PostgreSQL: one COPY and one statement per batch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy import URL, Engine, event, insert, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from catalogue import schema
from catalogue.store import months
from catalogue.store.engines import Engines
from catalogue.store.rows import BatchPlace, EntryRow, MovementRow, WalletKey, WalletRow, WalletState

CONNECTIONS_MAX = 10
INSERT_ROWS_MAX = 10
"""More rows than this are copied."""
STATEMENT_S_MAX = 60
"""Longest single statement, in seconds."""
IDLE_S = 5.0
"""A connection that nobody used for longer is tried before it is handed out; one in use shows by itself if it ended."""

_ENTRY_COLUMNS = ("campus", "agent", "epoch", "posted_at", *EntryRow._fields)
# An update that never happens locks the row all the same, and writes nothing more than the lock.
_OPEN_WALLETS = text(
    "INSERT INTO wallet (campus, learner, currency, balance, earned, last_no, last_at)"
    " SELECT CAST(:campus AS text), want.learner, want.currency, 0, 0, 0, 0"
    " FROM unnest(CAST(:learners AS text[]), CAST(:currencies AS text[])) AS want (learner, currency)"
    " ORDER BY want.learner, want.currency"
    " ON CONFLICT (campus, learner, currency) DO UPDATE SET balance = wallet.balance WHERE false"
)
_LOOK_AT_WALLETS = (
    "SELECT wallet.learner, wallet.currency, wallet.balance, wallet.earned, wallet.last_no, wallet.due_at,"
    " wallet.last_at"
    " FROM unnest(CAST(:learners AS text[]), CAST(:currencies AS text[])) AS want (learner, currency)"
    " JOIN wallet ON wallet.campus = :campus"
    " AND wallet.learner = want.learner AND wallet.currency = want.currency"
)
_OPENED_WALLETS = text(_LOOK_AT_WALLETS)
_HOLD_WALLETS = text(f"{_LOOK_AT_WALLETS} ORDER BY wallet.learner, wallet.currency FOR UPDATE OF wallet")
_SET_WALLETS = text(
    "UPDATE wallet SET balance = now.balance, earned = now.earned, last_no = now.last_no, due_at = now.due_at,"
    " last_at = now.last_at"
    " FROM unnest(CAST(:learners AS text[]), CAST(:currencies AS text[]), CAST(:balances AS bigint[]),"
    " CAST(:earned AS bigint[]), CAST(:last_nos AS bigint[]), CAST(:due_ats AS bigint[]), CAST(:last_ats AS bigint[]))"
    " AS now (learner, currency, balance, earned, last_no, due_at, last_at)"
    " WHERE wallet.campus = :campus AND wallet.learner = now.learner AND wallet.currency = now.currency"
)


class Postgres:
    """The production database."""

    def engines(self, url: URL, *, patient: bool = False) -> Engines:
        """One pool for all: PostgreSQL lets readers and writers be."""
        engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=CONNECTIONS_MAX,
            max_overflow=0,
            connect_args={"command_timeout": None if patient else STATEMENT_S_MAX},
        )
        _try_before_use(engine.sync_engine)
        return Engines(reading=engine, glancing=engine.execution_options(isolation_level="AUTOCOMMIT"), writing=engine)

    async def make_months(self, conn: AsyncConnection, wanted: Sequence[str]) -> list[str]:
        """Make their partitions."""
        return await months.make(conn, wanted)

    async def add_entries(self, conn: AsyncConnection, place: BatchPlace, rows: Sequence[EntryRow]) -> None:
        """Append entries by COPY, twice as fast as the quickest INSERT; part of the transaction like any statement."""
        await _copy(conn, "entry", _ENTRY_COLUMNS, [(*place, *row) for row in rows])

    async def add_movements(self, conn: AsyncConnection, campus: str, rows: list[MovementRow]) -> None:
        """Append movements: a few by INSERT, many by COPY, which asks for the table's types first."""
        if len(rows) <= INSERT_ROWS_MAX:
            await conn.execute(insert(schema.movement), [{"campus": campus} | row._asdict() for row in rows])
            return
        await _copy(conn, "movement", ("campus", *MovementRow._fields), [(campus, *row) for row in rows])

    async def open_wallets(
        self, conn: AsyncConnection, campus: str, wallets: Sequence[WalletKey]
    ) -> dict[WalletKey, WalletState]:
        """Lock wallets in key order, new ones among them: nobody waits for anybody in a circle.

        Where they stand is asked afterwards: what a statement sees is from before it waited.
        """
        keys = _keys(campus, wallets)
        await conn.execute(_OPEN_WALLETS, keys)
        return _states(await conn.execute(_OPENED_WALLETS, keys))

    async def hold_wallets(
        self, conn: AsyncConnection, campus: str, wallets: Sequence[WalletKey]
    ) -> dict[WalletKey, WalletState]:
        """Lock wallets in key order."""
        return _states(await conn.execute(_HOLD_WALLETS, _keys(campus, wallets)))

    async def set_wallets(self, conn: AsyncConnection, campus: str, rows: Sequence[WalletRow]) -> None:
        """Say where wallets stand that are held."""
        columns = zip(*((row.learner, row.currency, *row.state) for row in rows), strict=True)
        names = ("learners", "currencies", "balances", "earned", "last_nos", "due_ats", "last_ats")
        values = {name: list(column) for name, column in zip(names, columns, strict=True)}
        await conn.execute(_SET_WALLETS, {"campus": campus} | values)


def _states(rows: Iterable[Any]) -> dict[WalletKey, WalletState]:
    return {(learner, currency): WalletState(*state) for learner, currency, *state in rows}


def _try_before_use(engine: Engine) -> None:
    """Hand out no connection that has ended. The library's own way asks the server three times for each loan."""
    failures = (engine.dialect.loaded_dbapi.Error, OSError, TimeoutError)

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: Any, _proxy: Any) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError
        used = record.info.get("used")
        if used is None or time.monotonic() - used <= IDLE_S:
            return
        try:
            connection.ping()
        except failures as exc:
            raise InvalidatePoolError from exc


def _keys(campus: str, wallets: Sequence[WalletKey]) -> dict[str, Any]:
    learners, currencies = (list(column) for column in zip(*wallets, strict=True))
    return {"campus": campus, "learners": learners, "currencies": currencies}


async def _copy(conn: AsyncConnection, table: str, columns: Sequence[str], records: Sequence[tuple[Any, ...]]) -> None:
    driver: asyncpg.Connection = (await conn.get_raw_connection()).driver_connection
    try:
        await driver.copy_records_to_table(table, records=records, columns=columns)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        raise DBAPIError(f"COPY {table}", None, exc) from exc
