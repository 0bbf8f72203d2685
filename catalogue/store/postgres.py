"""PostgreSQL: one COPY and one statement per batch."""

from __future__ import annotations

import time
import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy import URL, Engine, NullPool, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from catalogue.store import months, numbers, scrubbing
from catalogue.store.engines import Engines
from catalogue.store.rows import BatchPlace, BatchRow, EntryRow, MovementRow, WalletKey, WalletRow, WalletState

CONNECTIONS_MAX = 10
STATEMENT_S_MAX = 60
"""Longest single statement, in seconds."""
IDLE_S = 5.0
"""A connection that nobody used for longer is tried before it is handed out; one in use shows by itself if it ended."""

_ENTRY_COLUMNS = ("campus", "agent", "epoch", "posted_at", *EntryRow._fields)
# As Python sorts, whatever the database's collation is: who holds many wallets holds them in several statements.
_IN_KEY_ORDER = 'ORDER BY want.learner COLLATE "C", want.currency COLLATE "C"'
# An update that never happens locks the row all the same, and writes nothing more than the lock.
_OPEN_WALLETS = text(
    "INSERT INTO wallet (campus, learner, currency, balance, earned, last_no, last_at)"  # noqa: S608 - own order
    " SELECT CAST(:campus AS text), want.learner, want.currency, 0, 0, 0, 0"
    " FROM unnest(CAST(:learners AS text[]), CAST(:currencies AS text[])) AS want (learner, currency)"
    f" {_IN_KEY_ORDER}"
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
# A wallet that there is stays, so this holds all of them or, where one is missing as it begins, none.
_HOLD_IF_ALL = text(
    f"{_LOOK_AT_WALLETS} WHERE :count = ("  # noqa: S608 - own order
    "SELECT count(*) FROM unnest(CAST(:learners AS text[]), CAST(:currencies AS text[])) AS want (learner, currency)"
    " JOIN wallet AS known ON known.campus = :campus"
    " AND known.learner = want.learner AND known.currency = want.currency"
    f") {_IN_KEY_ORDER} FOR UPDATE OF wallet"
)
_HOLD_WALLETS = text(f"{_LOOK_AT_WALLETS} {_IN_KEY_ORDER} FOR UPDATE OF wallet")
_TEXTS = ("learner", "currency", "kind", "ref", "about", "rule", "source")
_LINE = tuple(name for name in MovementRow._fields if name != "posted_at")
_STANDS = ("learner", "currency", *WalletState._fields)


def _unnested(alias: str, names: Iterable[str]) -> str:
    """Rows out of arrays, each called as the alias and its column."""
    kinds = {"owe": "boolean"} | dict.fromkeys(_TEXTS, "text")
    arrays = ", ".join(f"CAST(:{alias}_{name} AS {kinds.get(name, 'bigint')}[])" for name in names)
    return f"unnest({arrays}) AS {alias} ({', '.join(names)})"


_SET_WALLETS = text(
    "UPDATE wallet SET balance = stands.balance, earned = stands.earned, last_no = stands.last_no,"  # noqa: S608 - own names
    f" due_at = stands.due_at, last_at = stands.last_at FROM {_unnested('stands', _STANDS)}"
    " WHERE wallet.campus = :campus AND wallet.learner = stands.learner AND wallet.currency = stands.currency"
)
# The number is taken first, because all else asks for it, and nothing but the end of the transaction comes after.
_POST_FEW = text(
    f"WITH newest AS ({numbers.SQL}), line AS (SELECT * FROM {_unnested('line', _LINE)}), posted AS ("  # noqa: S608 - own names
    "INSERT INTO movement (campus, no, posted_at, learner, currency, kind, amount, waived, ref, about, occurred_at,"
    " expires_at, owe, rule, source, prev_no, prev_at)"
    " SELECT CAST(:campus AS text), newest.no + 1 + line.no, newest.posted_at, line.learner, line.currency, line.kind,"
    " line.amount, line.waived, line.ref, line.about, line.occurred_at, line.expires_at, line.owe, line.rule,"
    " line.source, CASE WHEN line.prev_no < 0 THEN newest.no + 1 + line.prev_no ELSE line.prev_no END,"
    " CASE WHEN line.prev_no < 0 THEN newest.posted_at ELSE line.prev_at END FROM newest, line"
    "), own AS ("
    "INSERT INTO movement_key (campus, ref, no) SELECT CAST(:campus AS text), line.ref, newest.no + 1 + line.no"
    " FROM newest, line WHERE line.kind = ANY (CAST(:central AS text[]))"
    "), moved AS ("
    "UPDATE wallet SET balance = stands.balance, earned = stands.earned, due_at = stands.due_at,"
    " last_no = newest.no + 1 + stands.last_no, last_at = newest.posted_at"
    f" FROM newest, {_unnested('stands', _STANDS)}"
    " WHERE wallet.campus = :campus AND wallet.learner = stands.learner AND wallet.currency = stands.currency"
    ") SELECT no FROM newest"
)
_BYTES = ("digest", "header", "previous", "head", "receipt")
_BATCH_TEXTS = ("campus", "agent", "signature")


def _cast(name: str) -> str:
    kind = "bytea" if name in _BYTES else "text" if name in _BATCH_TEXTS else "bigint"
    return f"CAST(:{name} AS {kind})"


_KEY = ("campus", "agent", "epoch", "first_seq", "digest")
# The number is taken first, because its date is the batch's; the agent's row is held already.
_KEEP_BATCH = text(
    "WITH newest AS ("  # noqa: S608 - own names
    "INSERT INTO ledger (campus, no, posted_at) VALUES (CAST(:campus AS text), :count, CAST(:received_at AS bigint))"
    f" {numbers.GOING_ON}"
    "), went_on AS ("
    f"UPDATE agent SET epoch = {_cast('epoch')}, seq = {_cast('last_seq')}, head = {_cast('head')},"
    f" heard_at = {_cast('received_at')}, skew_s = :skew_s WHERE agent.campus = :campus AND agent.agent = :agent"
    "), named AS ("
    f"INSERT INTO batch_key ({', '.join(_KEY)}, posted_at)"
    f" SELECT {', '.join(map(_cast, _KEY))}, newest.posted_at FROM newest"
    "), kept AS ("
    f"INSERT INTO batch ({', '.join(BatchRow._fields)}, posted_at)"
    f" SELECT {', '.join(map(_cast, BatchRow._fields))}, newest.posted_at FROM newest"
    ") SELECT no, posted_at FROM newest"
)

_LINE_UP = text("SELECT pg_advisory_xact_lock(7206155, CAST(:number AS integer))")


class Postgres:
    """The production database."""

    at_once = True
    scrubs_at_once = False

    def engines(self, url: URL, *, patient: bool = False) -> Engines:
        """One pool for all: PostgreSQL lets readers and writers be.

        At its usual READ COMMITTED each statement of a reader would see another moment: a batch between two of them
        would look like a fault to `verify`, and like a sum that is wrong to everybody else.
        """
        engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            hide_parameters=True,  # an error must not carry what was to be kept into a log
            pool_size=CONNECTIONS_MAX,
            max_overflow=0,
            connect_args={
                "command_timeout": None if patient else STATEMENT_S_MAX,
                # Every statement names its keys; planning one anew over all months, or compiling it, costs more than
                # it can win.
                "server_settings": {"plan_cache_mode": "force_generic_plan", "jit": "off"},
            },
        )
        _try_before_use(engine.sync_engine)
        probing = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            hide_parameters=True,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"command_timeout": STATEMENT_S_MAX},
        )
        alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        return Engines(
            probing=probing,
            reading=engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
            glancing=alone,
            writing=engine,
            jotting=alone,
        )

    async def scrub(self, engines: Engines) -> str:
        """Write the tables anew that name persons."""
        return await scrubbing.written_anew(engines.writing, engines.glancing)

    async def takes_writes(self, conn: AsyncConnection) -> bool:
        """Unless it recovers from another, or was told not to."""
        return bool(await conn.scalar(text("SELECT current_setting('transaction_read_only') = 'off'")))

    async def line_up(self, conn: AsyncConnection, names: Collection[str]) -> None:
        """By locks that stand for no row. Two names may share one, and all are taken in one order."""
        for number in sorted({zlib.crc32(name.encode()) - 2**31 for name in names}):
            await conn.execute(_LINE_UP, {"number": number})

    async def make_months(self, conn: AsyncConnection, wanted: Sequence[str]) -> list[str]:
        """Make their partitions."""
        return await months.make(conn, wanted)

    async def keep_batch(self, conn: AsyncConnection, row: BatchRow, *, count: int, skew_s: int) -> tuple[int, int]:
        """In one statement."""
        kept = await conn.execute(_KEEP_BATCH, row._asdict() | {"count": count, "skew_s": skew_s})
        newest, posted_at = kept.one()
        return int(newest), int(posted_at)

    async def add_entries(self, conn: AsyncConnection, place: BatchPlace, rows: Sequence[EntryRow]) -> None:
        """Append entries by COPY, twice as fast as the quickest INSERT; part of the transaction like any statement."""
        await copy_in(conn, "entry", _ENTRY_COLUMNS, [(*place, *row) for row in rows])

    async def add_movements(self, conn: AsyncConnection, campus: str, rows: list[MovementRow]) -> None:
        """Append movements by COPY, which asks for the table's types first."""
        await copy_in(conn, "movement", ("campus", *MovementRow._fields), [(campus, *row) for row in rows])

    async def post_few(
        self, conn: AsyncConnection, campus: str, rows: Sequence[MovementRow], wallets: Sequence[WalletRow], *, now: int
    ) -> int:
        """One statement: the number is what a whole campus waits for."""
        said = {"campus": campus, "count": len(rows), "now": now, "central": sorted(numbers.CENTRAL)}
        posted = await conn.execute(_POST_FEW, said | _columns("line", _LINE, rows) | _wallet_columns(wallets))
        return int(posted.scalar_one())

    async def open_wallets(
        self, conn: AsyncConnection, campus: str, wallets: Sequence[WalletKey]
    ) -> dict[WalletKey, WalletState]:
        """Lock wallets in key order, new ones among them: nobody waits for anybody in a circle.

        Where there are new ones all are asked afterwards where they stand: what a statement sees of others' rows that
        it must leave is from before it waited.
        """
        keys = _keys(campus, wallets)
        found = _states(await conn.execute(_HOLD_IF_ALL, keys | {"count": len(wallets)}))
        if found:
            return found
        await conn.execute(_OPEN_WALLETS, keys)
        return _states(await conn.execute(_OPENED_WALLETS, keys))

    async def hold_wallets(
        self, conn: AsyncConnection, campus: str, wallets: Sequence[WalletKey]
    ) -> dict[WalletKey, WalletState]:
        """Lock wallets in key order."""
        return _states(await conn.execute(_HOLD_WALLETS, _keys(campus, wallets)))

    async def set_wallets(self, conn: AsyncConnection, campus: str, rows: Sequence[WalletRow]) -> None:
        """Say where wallets stand that are held."""
        await conn.execute(_SET_WALLETS, {"campus": campus} | _wallet_columns(rows))


def _columns(alias: str, names: Iterable[str], rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Rows as an array for each column, called as `_unnested` calls it."""
    return {f"{alias}_{name}": [getattr(row, name) for row in rows] for name in names}


def _wallet_columns(rows: Sequence[WalletRow]) -> dict[str, list[Any]]:
    keys = _columns("stands", ("learner", "currency"), rows)
    return keys | _columns("stands", WalletState._fields, [row.state for row in rows])


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


async def copy_in(
    conn: AsyncConnection, table: str, columns: Sequence[str], records: Sequence[tuple[Any, ...]]
) -> None:
    """Append rows by COPY, part of the transaction like any statement."""
    driver: asyncpg.Connection = (await conn.get_raw_connection()).driver_connection
    try:
        await driver.copy_records_to_table(table, records=records, columns=columns)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        raise DBAPIError(f"COPY {table}", None, exc) from exc
