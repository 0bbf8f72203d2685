"""SQLite: the embedded default. One connection writes, a few read; write-ahead log, every commit durable."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import URL, Connection, NullPool, event, insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from catalogue import schema
from catalogue.store import numbers
from catalogue.store.engines import Engines
from catalogue.store.rows import BatchPlace, BatchRow, EntryRow, MovementRow, WalletKey, WalletRow, WalletState

READERS_MAX = 4
BUSY_TIMEOUT_MS = 10_000
SCRUB_TIMEOUT_MS = 500
"""How long readers are waited for after an erasure: whoever writes waits with us."""
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # else INSERT OR REPLACE slips past the triggers that guard the books
    "PRAGMA secure_delete = ON",  # what is erased is not to be read in free pages
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
)

READ_ONLY = "PRAGMA query_only = ON"
PROBING = (READ_ONLY, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

_HOLD_WALLETS = text(
    "SELECT wallet.learner, wallet.currency, wallet.balance, wallet.earned, wallet.last_no, wallet.due_at,"
    " wallet.last_at"
    " FROM json_each(:wanted) AS want JOIN wallet ON wallet.campus = :campus"
    " AND wallet.learner = want.value ->> 0 AND wallet.currency = want.value ->> 1"
)
_SET_WALLET = text(
    "UPDATE wallet SET balance = :balance, earned = :earned, last_no = :last_no, due_at = :due_at,"
    " last_at = :last_at"
    " WHERE campus = :campus AND learner = :learner AND currency = :currency"
)


class Sqlite:
    """The embedded database."""

    at_once = False
    scrubs_at_once = True

    def engines(self, url: URL, *, patient: bool = False) -> Engines:
        """A pool of readers, and a single connection that writes; both are always ``patient``."""
        del patient
        place = url.set(drivername="sqlite+aiosqlite")
        reading = _engine(place, READERS_MAX, "BEGIN", (*PRAGMAS, READ_ONLY))
        writing = _engine(place, 1, "BEGIN IMMEDIATE", PRAGMAS)
        probing = _engine(place, 0, "BEGIN", PROBING)
        return Engines(reading=reading, glancing=reading, writing=writing, jotting=writing, probing=probing)

    async def scrub(self, engines: Engines) -> str:
        """Write the log into the tables and cut it off: it holds pages of before, until others come to lie there."""
        async with engines.writing.connect() as conn:
            raw: Any = (await conn.get_raw_connection()).driver_connection
            await raw.execute_fetchall(f"PRAGMA busy_timeout = {SCRUB_TIMEOUT_MS}")
            try:
                ((busy, _, _),) = await raw.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                await raw.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        return "somebody reads from before it" if busy else ""

    async def takes_writes(self, conn: AsyncConnection) -> bool:
        """Yes: whether its disk does is seen when it is written."""
        del conn
        return True

    async def line_up(self, conn: AsyncConnection, names: Collection[str]) -> None:
        """Nothing: who writes here is alone."""
        del conn, names

    async def make_months(self, conn: AsyncConnection, wanted: Sequence[str]) -> list[str]:
        """Nothing: one table holds all months."""
        del conn, wanted
        return []

    async def keep_batch(self, conn: AsyncConnection, row: BatchRow, *, count: int, skew_s: int) -> tuple[int, int]:
        """One after the other."""
        agent, moved = schema.agent, {"epoch": row.epoch, "seq": row.last_seq, "head": row.head}
        moved |= {"heard_at": row.received_at, "skew_s": skew_s}
        mine = (agent.c.campus == row.campus, agent.c.agent == row.agent)
        await conn.execute(update(agent).where(*mine).values(moved))
        newest, posted_at = await numbers.take(conn, row.campus, count, now=row.received_at)
        kept = row._asdict() | {"posted_at": posted_at}
        await conn.execute(insert(schema.batch_key), {column.name: kept[column.name] for column in schema.batch_key.c})
        await conn.execute(insert(schema.batch), kept)
        return newest, posted_at

    async def add_entries(self, conn: AsyncConnection, place: BatchPlace, rows: Sequence[EntryRow]) -> None:
        """Append entries in one prepared statement."""
        owner = place._asdict()
        await conn.execute(insert(schema.entry), [owner | row._asdict() for row in rows])

    async def add_movements(self, conn: AsyncConnection, campus: str, rows: list[MovementRow]) -> None:
        """Append movements in one prepared statement."""
        await conn.execute(insert(schema.movement), [{"campus": campus} | row._asdict() for row in rows])

    async def post_few(
        self, conn: AsyncConnection, campus: str, rows: Sequence[MovementRow], wallets: Sequence[WalletRow], *, now: int
    ) -> int:
        """As many would be; nobody else is kept waiting by one more statement."""
        newest, posted_at = await numbers.take(conn, campus, len(rows), now=now)
        placed = numbers.movements(rows, newest, posted_at)
        await self.add_movements(conn, campus, placed)
        own = [{"campus": campus, "ref": row.ref, "no": row.no} for row in placed if row.kind in numbers.CENTRAL]
        if own:
            await conn.execute(insert(schema.movement_key), own)
        await self.set_wallets(conn, campus, numbers.wallets(wallets, newest, posted_at))
        return newest

    async def open_wallets(
        self, conn: AsyncConnection, campus: str, wallets: Sequence[WalletKey]
    ) -> dict[WalletKey, WalletState]:
        """Where wallets stand, made where there are none."""
        empty = {"campus": campus} | WalletState()._asdict()
        opened = [empty | {"learner": learner, "currency": currency} for learner, currency in wallets]
        await conn.execute(insert(schema.wallet).prefix_with("OR IGNORE"), opened)
        return await self.hold_wallets(conn, campus, wallets)

    async def hold_wallets(
        self, conn: AsyncConnection, campus: str, wallets: Sequence[WalletKey]
    ) -> dict[WalletKey, WalletState]:
        """Where wallets stand; who writes here is alone."""
        rows = await conn.execute(_HOLD_WALLETS, {"campus": campus, "wanted": json.dumps(list(wallets))})
        return {(learner, currency): WalletState(*state) for learner, currency, *state in rows}

    async def set_wallets(self, conn: AsyncConnection, campus: str, rows: Sequence[WalletRow]) -> None:
        """Say where wallets stand that are held."""
        values = [
            {"campus": campus, "learner": row.learner, "currency": row.currency} | row.state._asdict() for row in rows
        ]
        await conn.execute(_SET_WALLET, values)


def _engine(place: URL, connections: int, begin: str, pragmas: Sequence[str]) -> AsyncEngine:
    if connections:
        engine = create_async_engine(place, hide_parameters=True, pool_size=connections, max_overflow=0)
    else:
        engine = create_async_engine(place, hide_parameters=True, poolclass=NullPool)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transactions begin too late and too weak; `begin` below does it.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
