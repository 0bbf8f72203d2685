"""Real servers that other people write to while the collector reads: one of these for each that the contract knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import asyncpg
from pymysql.connections import Connection

from agent.collectors.logstore.dialects.database import Answer, Database, Query
from agent.collectors.logstore.dialects.mysql import MysqlDatabase
from agent.collectors.logstore.dialects.postgres import PostgresDatabase
from agent.collectors.logstore.options import LogstoreOptions
from tests import servers
from tests.sites import LOG_DEFAULTS, MariaSite, PostgresSite

FETCHING = "LIMIT 1000"
"""What stands in the query for a page's rows, and in no other."""


class Writer(Protocol):
    """One who writes as Moodle does, each statement committed unless a transaction was begun."""

    async def write(self, rows: int = 1, **columns: object) -> None:
        """Write rows in one statement, the server giving the ids."""
        ...

    async def begin(self) -> None:
        """From now on nothing is seen by others."""
        ...

    async def commit(self) -> None:
        """Now it is."""
        ...

    async def rollback(self) -> None:
        """It never will be."""
        ...


class Server(Protocol):
    """A server with Moodle's tables, its log empty and counting from 1."""

    site: MariaSite | PostgresSite
    scheme: str
    altering: str
    """A statement that waits until nobody reads the log."""
    grant: str
    """What gives the right to read the log, with the name of the database to be filled in."""

    def writing(self) -> Any:
        """A `Writer`, for the length of an ``async with``."""
        ...

    def truncate(self) -> None:
        """Empty the log; it counts from 1 again."""
        ...

    def open_transactions(self) -> int:
        """How many of the reader's are open."""
        ...

    def cut_readers(self) -> None:
        """End every connection of the read-only account."""
        ...

    def meddled(self, options: LogstoreOptions, slow: Any) -> Database:
        """A connection on whose page ``slow`` commits right after the rows were fetched and before the proof."""
        ...


class MariaWriter:
    """A `Writer` on MariaDB."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection

    async def write(self, rows: int = 1, **columns: object) -> None:
        """As `Writer`."""
        row = {**LOG_DEFAULTS, **columns}
        places = ", ".join(["%s"] * len(row))
        sql = f"INSERT INTO mdl_logstore_standard_log ({', '.join(row)}) VALUES " + ", ".join([f"({places})"] * rows)
        with self.connection.cursor() as cursor:
            cursor.execute(sql, list(row.values()) * rows)

    async def begin(self) -> None:
        """As `Writer`."""
        self.connection.begin()

    async def commit(self) -> None:
        """As `Writer`."""
        self.connection.commit()

    async def rollback(self) -> None:
        """As `Writer`."""
        self.connection.rollback()


class _MeddledMaria(MysqlDatabase):
    def __init__(self, options: LogstoreOptions, slow: MariaWriter) -> None:
        super().__init__(options, urlsplit(options.url), options.password)
        self._slow = slow

    def _run(self, query: Query) -> Answer:
        answer = super()._run(query)
        if FETCHING in query.sql:
            self._slow.connection.commit()
        return answer


class MariaServer:
    """A `Server` of MariaDB, or of MySQL."""

    scheme = "mysql"
    altering = "ALTER TABLE mdl_logstore_standard_log COMMENT = 'x'"
    grant = "GRANT SELECT ON `{database}`.`mdl_logstore_standard_log` TO 'companion_ro'@"

    def __init__(self, site: MariaSite) -> None:
        self.site: MariaSite | PostgresSite = site
        self._database = site.database

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[MariaWriter]:
        """As `Server`."""
        with self._database.connect() as connection:
            yield MariaWriter(connection)

    def truncate(self) -> None:
        """As `Server`."""
        self.site.execute("TRUNCATE mdl_logstore_standard_log")

    def open_transactions(self) -> int:
        """As `Server`."""
        ((count,),) = self._database.execute("SELECT COUNT(*) FROM information_schema.innodb_trx")
        return int(count)

    def cut_readers(self) -> None:
        """As `Server`."""
        sql = "SELECT id FROM information_schema.processlist WHERE user = %s"
        for (number,) in self._database.execute(sql, (servers.READER,)):
            self._database.execute(f"KILL {number}")

    def meddled(self, options: LogstoreOptions, slow: Any) -> Database:
        """As `Server`."""
        return _MeddledMaria(options, slow)


class PostgresWriter:
    """A `Writer` on PostgreSQL."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._held: Any = None

    async def write(self, rows: int = 1, **columns: object) -> None:
        """As `Writer`."""
        row = {**LOG_DEFAULTS, **columns}
        casts = [f"CAST(${number} AS {_type(value)})" for number, value in enumerate(row.values(), 1)]
        sql = f"SELECT {', '.join(casts)} FROM generate_series(1, {rows})"
        await self._connection.execute(f"INSERT INTO mdl_logstore_standard_log ({', '.join(row)}) {sql}", *row.values())

    async def begin(self) -> None:
        """As `Writer`."""
        self._held = self._connection.transaction()
        await self._held.start()

    async def commit(self) -> None:
        """As `Writer`."""
        await self._held.commit()

    async def rollback(self) -> None:
        """As `Writer`."""
        await self._held.rollback()


def _type(value: object) -> str:
    return "bigint" if isinstance(value, int) or value is None else "text"


class _MeddledPostgres(PostgresDatabase):
    def __init__(self, options: LogstoreOptions, slow: PostgresWriter) -> None:
        super().__init__(options, urlsplit(options.url), options.password)
        self._slow: PostgresWriter | None = slow

    async def _answer(self, query: Query) -> Answer:
        answer = await super()._answer(query)
        if FETCHING in query.sql and self._slow is not None:
            slow, self._slow = self._slow, None
            await slow.commit()
        return answer


class PostgresServer:
    """A `Server` of PostgreSQL."""

    scheme = "postgresql"
    altering = "ALTER TABLE mdl_logstore_standard_log ALTER COLUMN origin SET STATISTICS 10"
    grant = 'GRANT SELECT ON "public"."mdl_logstore_standard_log" TO "companion_ro";'

    def __init__(self, site: PostgresSite) -> None:
        self.site: MariaSite | PostgresSite = site
        self._database = site.database

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[PostgresWriter]:
        """As `Server`."""
        connection = await asyncpg.connect(self._database.dsn)
        try:
            yield PostgresWriter(connection)
        finally:
            await connection.close()

    def truncate(self) -> None:
        """As `Server`."""
        self.site.execute("TRUNCATE mdl_logstore_standard_log RESTART IDENTITY")

    def open_transactions(self) -> int:
        """As `Server`."""
        ((count,),) = self.site.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND usename = 'companion_ro'"
        )
        return int(count)

    def cut_readers(self) -> None:
        """As `Server`."""
        self.site.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'companion_ro'")

    def meddled(self, options: LogstoreOptions, slow: Any) -> Database:
        """As `Server`."""
        return _MeddledPostgres(options, slow)
