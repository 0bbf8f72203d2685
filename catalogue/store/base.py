"""One database behind one door: transactions that read, transactions that write, and the schema's version."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import structlog
from sqlalchemy import URL, Connection, event, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from catalogue import schema
from catalogue.errors import ConfigError, UnavailableError
from catalogue.store import months, postgres, scrubbing, sqlite
from catalogue.store.engines import Engines
from catalogue.store.faults import database_said, unusable
from catalogue.store.rows import BatchPlace, BatchRow, EntryRow, MovementRow, WalletKey, WalletRow, WalletState
from catalogue.store.scrubbing import Left, Scrubbing

log = structlog.get_logger()
Answer = TypeVar("Answer")

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
ENCODING = "UTF8"
"""How PostgreSQL must keep texts."""
CONNECT_S_MAX = 10.0
"""How long an operator waits for an unreachable database, in seconds."""
READ_ONLY = "it takes no writes: a replica, or a primary that was given up"


class Dialect(Protocol):
    """What differs between the databases: how to connect, and how many rows go in at once."""

    at_once: bool
    """Whether one statement may write into several tables; where it may not, whoever writes is alone anyway."""

    def engines(self, url: URL, *, patient: bool = False) -> Engines:
        """Connections for each purpose; none is made yet. ``patient`` is for statements that may take hours."""
        ...

    scrubs_at_once: bool
    """Whether `scrub` is a matter of moments, so that a request can wait for it."""

    async def scrub(self, engines: Engines) -> str:
        """Leave nothing in the database's files of what is deleted by now; what that waits for, or nothing."""
        ...

    async def takes_writes(self, conn: AsyncConnection) -> bool:
        """Whether the database is one that may be written."""
        ...

    async def line_up(self, conn: AsyncConnection, names: Collection[str]) -> None:
        """Wait for every transaction that named one of these; who names one later waits until this one ends.

        The first thing that a transaction does. It keeps nobody else waiting.
        """
        ...

    async def make_months(self, conn: AsyncConnection, wanted: Sequence[str]) -> list[str]:
        """Make room for these months (`2026-09`, UTC) where the books are parted by month; those it made."""
        ...

    async def keep_batch(self, conn: AsyncConnection, row: BatchRow, *, count: int, skew_s: int) -> tuple[int, int]:
        """Keep a batch and its key, let its agent, which is held, stand after it, and number ``count`` movements.

        (newest number, date of posting), dated when it was received and never before the last one.
        """
        ...

    async def add_entries(self, conn: AsyncConnection, place: BatchPlace, rows: Sequence[EntryRow]) -> None:
        """Append entries in one statement."""
        ...

    async def add_movements(self, conn: AsyncConnection, campus: str, rows: list[MovementRow]) -> None:
        """Append movements in one statement."""
        ...

    async def post_few(
        self, conn: AsyncConnection, campus: str, rows: Sequence[MovementRow], wallets: Sequence[WalletRow], *, now: int
    ) -> int:
        """Number and append some movements and let their wallets follow, which are held; the newest number.

        The numbers given count back from it (`catalogue.store.numbers`).
        """
        ...

    async def open_wallets(
        self, conn: AsyncConnection, campus: str, wallets: Sequence[WalletKey]
    ) -> dict[WalletKey, WalletState]:
        """Lock wallets in key order until the transaction ends, made where there are none; where each stands."""
        ...

    async def hold_wallets(
        self, conn: AsyncConnection, campus: str, wallets: Sequence[WalletKey]
    ) -> dict[WalletKey, WalletState]:
        """Lock those of these wallets that there are, in key order, until the transaction ends; where each stands."""
        ...

    async def set_wallets(self, conn: AsyncConnection, campus: str, rows: Sequence[WalletRow]) -> None:
        """Say where wallets stand that are held."""
        ...


class Store:
    """A connected database. Made by `open`, ended by `close`."""

    def __init__(self, dialect: Dialect, url: URL) -> None:
        self.dialect = dialect
        self._url = url
        self._engines = dialect.engines(url)
        self._place = url.render_as_string(hide_password=True)
        self._scrubbing = Scrubbing()
        for engine in (self._engines.writing, self._engines.probing):
            _ask_each_time(engine, lambda: self._url.password)

    @classmethod
    async def open(cls, url: URL, *, check_schema: bool = True) -> Self:
        """Connect and, unless told not to, see that the schema is this program's.

        Raises:
            ConfigError: the schema is missing, older or newer, or the credentials are wrong.
            UnavailableError: the database does not answer.
        """
        dialect: Dialect = sqlite.Sqlite() if url.get_backend_name() == "sqlite" else postgres.Postgres()
        store = cls(dialect, url)
        try:
            revision = await store._revision()
            if check_schema:
                store._check(revision)
        except BaseException:
            await store.close()
            raise
        return store

    async def upgrade(self, also: Callable[[AsyncConnection, str | None], Awaitable[None]] | None = None) -> bool:
        """Bring the schema to the newest version in one transaction; says whether anything was to do.

        ``also`` is done in it, and told the version from before.

        Raises:
            ConfigError: it may not make tables, or cannot keep every name.
            UnavailableError: the database does not answer, or refuses; it is as it was.
        """
        had = await self._revision()
        if had == schema.REVISION:
            return False
        patient = self.dialect.engines(self._url, patient=True)
        try:
            async with patient.writing.begin() as conn:
                await conn.run_sync(_upgrade)
                await self.dialect.make_months(conn, months.coming(int(time.time())))
                if also is not None:
                    await also(conn, had)
        except DBAPIError as exc:
            raise _refused(self._place, self._url.username, database_said(exc)) from None
        finally:
            for engine in patient:
                await engine.dispose()
        return True

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only looks: all its statements see one moment, and it locks and writes nothing.

        Both are the database's business (a snapshot that is read only), so a replica serves it as well.
        """
        async with self._engines.reading.connect() as conn, conn.begin():
            yield conn

    @contextlib.asynccontextmanager
    async def glancing(self) -> AsyncIterator[AsyncConnection]:
        """A look of one statement, which needs no transaction around it and is spared its beginning and its end."""
        async with self._engines.glancing.connect() as conn, conn.begin():
            yield conn

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed when its block ends, and undone when it fails."""
        async with self._engines.writing.begin() as conn:
            yield conn

    @contextlib.asynccontextmanager
    async def jotting(self) -> AsyncIterator[AsyncConnection]:
        """For one statement that writes and needs no transaction around it: it is done whole or not at all."""
        async with self._engines.jotting.connect() as conn, conn.begin():
            yield conn

    async def erased(self) -> None:
        """Somebody was, and that is committed: leave nothing of them in the files, now or at the next `scrub`."""
        self._scrubbing.is_due = True
        if self.dialect.scrubs_at_once:
            await self._scrub()

    async def scrub(self) -> None:
        """Leave nothing in the files of those who were erased since it was last done; what must wait is told once.

        The first time it is done in any case: a server may have been killed between an erasure and this.
        """
        if not self._scrubbing.rests():
            await self._scrub()

    async def _scrub(self) -> None:
        begun = time.monotonic()
        self._scrubbing.is_due = False
        try:
            waits = await self.dialect.scrub(self._engines)
        except DBAPIError as exc:
            waits = database_said(exc)
        except BaseException:
            self._scrubbing.is_due = True  # nothing was done: no connection, or nobody waited for it
            raise
        if waits and waits != self._scrubbing.waits:
            log.warning("erasure_waits", why=waits)
        self._scrubbing.ended(begun, waits)

    async def scrub_whole(self, *, wait_s: int) -> AsyncIterator[tuple[Left, str]]:
        """In a quiet hour: write each table anew in whose files somebody erased may be left, however large it is.

        Each with what it waits for, or nothing; ``wait_s`` is how long others are waited for.
        """
        patient = self.dialect.engines(self._url, patient=True)
        try:
            async for one in scrubbing.each_written_anew(patient.writing, patient.glancing, wait_s=wait_s):
                yield one
        finally:
            for engine in patient:
                await engine.dispose()

    async def has_tables(self) -> bool:
        """Whether there is anything in the database."""
        async with self._engines.reading.connect() as conn:
            return bool(await conn.run_sync(lambda one: inspect(one).get_table_names()))

    def adopt_password(self, url: URL) -> None:
        """Make connections with the password of ``url`` from now on; those that there are go on."""
        self._url = self._url.set(password=url.password)

    async def stands(self) -> None:
        """See that the database answers, takes writes and has this program's schema, over a connection of its own.

        Raises:
            ConfigError: the schema is another, it does not let us in, or it takes no writes.
            UnavailableError: it does not answer.
        """

        async def look(conn: AsyncConnection) -> tuple[str | None, bool]:
            return await conn.run_sync(_current), await self.dialect.takes_writes(conn)

        revision, takes_writes = await self._asked(self._engines.probing, look)
        self._check(revision)
        if not takes_writes:
            hint = "[database] url must lead to the primary; make this one the primary, or lead it there"
            raise ConfigError(f"{self._place} cannot be written: {READ_ONLY}", hint=hint)

    async def close(self) -> None:
        """Let go of all connections; may be called twice."""
        await self._engines.reading.dispose()
        await self._engines.writing.dispose()

    async def _revision(self) -> str | None:
        return await self._asked(self._engines.reading, lambda conn: conn.run_sync(_current))

    async def _asked(self, engine: AsyncEngine, question: Callable[[AsyncConnection], Awaitable[Answer]]) -> Answer:
        try:
            async with asyncio.timeout(CONNECT_S_MAX), engine.connect() as conn:
                return await question(conn)
        except TimeoutError:
            raise UnavailableError(
                f"{self._place} did not answer within {CONNECT_S_MAX:.0f} s", hint="is the database running?"
            ) from None
        except (OSError, SQLAlchemyError) as exc:
            raise unusable(self._place, exc) from None

    def _check(self, revision: str | None) -> None:
        if revision is None:
            raise ConfigError(
                f"{self._place} has no catalogue in it yet",
                hint="run: rewards-catalogue init; where there was one, put a backup back: rewards-catalogue restore",
            )
        if revision < schema.REVISION:
            raise ConfigError(
                f"{self._place} has schema {revision}, this program needs {schema.REVISION}",
                hint="take a backup with the release before this one, then run: rewards-catalogue init",
            )
        if revision > schema.REVISION:
            raise ConfigError(
                f"{self._place} has schema {revision}, this program knows {schema.REVISION}",
                hint="it was upgraded by a newer rewards-catalogue: install that version again",
            )


def _ask_each_time(engine: AsyncEngine, password: Callable[[], object]) -> None:
    """Let each new connection be made with the password of then."""

    @event.listens_for(engine.sync_engine, "do_connect")
    def given(_dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> None:
        if "password" in parameters:
            parameters["password"] = password()


def _refused(place: str, user: str | None, said: str) -> ConfigError | UnavailableError:
    told = f"{place} is as it was, for it refused: {said}"
    if "permission denied" in said:
        owner = f'"{user}" must own the database, then it may make tables: ALTER DATABASE … OWNER TO "{user}"'
        return ConfigError(told, hint=f"{owner}; where it does, GRANT ALL ON SCHEMA public TO it")
    return UnavailableError(told, hint="mend that, then run again: rewards-catalogue init")


def _current(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    found: str | None = conn.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _upgrade(conn: Connection) -> None:
    if conn.dialect.name == "postgresql" and (encoding := conn.scalar(text("SHOW server_encoding"))) != ENCODING:
        hint = f"make it anew: createdb --template template0 --encoding {ENCODING} --locale C"
        raise ConfigError(f"the database keeps texts in {encoding}, which cannot hold every name", hint=hint)
    # Only `init` needs it, and it takes a fifth of a second to load.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config as AlembicConfig  # noqa: PLC0415

    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
