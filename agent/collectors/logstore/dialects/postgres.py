"""PostgreSQL through asyncpg: every statement in a short read-only transaction, none prepared by name.

A pool in front of the server (PgBouncer in transaction mode) gives each transaction another connection: nothing may be
set for a session or prepared to be used again, so bounds are `SET LOCAL` and statements are anonymous.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote

import asyncpg

from agent.collectors.logstore.dialects import tls
from agent.collectors.logstore.dialects.database import Answer, Place, Query, Right, Rows, Schema, Unreadable
from agent.collectors.logstore.dialects.rights import postgres as rights
from agent.collectors.logstore.options import CONNECTIONS_MAX, LogstoreOptions
from agent.errors import ConfigError, RewardsError, TransientError

_UNREADABLE = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InsufficientPrivilegeError)
_REFUSED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError)
_TIMED_OUT = (asyncpg.QueryCanceledError, TimeoutError)
_OUT_OF_STEP = asyncpg.InternalClientError
"""What the server said by itself, such as that a replica ends an idle transaction, met the beginning of a statement."""
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    _OUT_OF_STEP,
    OSError,
)
_CONFLICT = asyncpg.SerializationError
"""A replica cancels a statement that holds up its replay ("conflict with recovery")."""
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, _OUT_OF_STEP, OSError, TimeoutError)

_WHO = """
SELECT (SELECT system_identifier FROM pg_control_system()), (SELECT timeline_id FROM pg_control_checkpoint()),
       host(inet_server_addr()), inet_server_port()
"""
_WHERE = "SELECT host(inet_server_addr()), inet_server_port(), pg_is_in_recovery()"
_VERSION = "SELECT current_setting('server_version')"
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::bigint"
_STEP = "SELECT increment_by FROM pg_sequences WHERE sequencename = ? AND schemaname = ANY (current_schemas(false))"
_PLACES = """
SELECT n.nspname, c.relname, has_schema_privilege(n.oid, 'USAGE')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND right(c.relname, length(?)) = ?
ORDER BY pg_table_is_visible(c.oid) DESC, n.nspname, c.relname LIMIT 5
"""
_HUNG_UP = {None, errno.ECONNRESET, errno.EPIPE}
"""Of a connection that was made and that the other end gave up; None is what the driver says itself."""
_SAVED = "SAVEPOINT asked"
_BACK = "ROLLBACK TO SAVEPOINT asked"


class PostgresDatabase:
    """One connection to one PostgreSQL database; a `Database`.

    The URL may carry `ssl_ca` (a PEM file: the server is then verified), `ssl_cert` with `ssl_key` (what we show it),
    `schema` (where Moodle's tables are when that is not on the account's search path) and `unix_socket` (the directory
    of the server's socket). ``key`` is the setting that holds ``url``, for messages.
    """

    def __init__(self, options: LogstoreOptions, url: SplitResult, password: str | None, *, key: str = "url") -> None:
        self._options = options
        self._url = url
        self._password = password
        self._key = key
        self._query: Mapping[str, str] = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self._schema = Schema(
            prefix=options.table_prefix,
            log_table=options.log_table or f"{options.table_prefix}logstore_standard_log",
            ends_with="right({column}, {length}) = ?",
            list_of="string_agg({column}::text, ',')",
            has_lists=True,
        )
        self._connection: Any = None
        self._generation = 0
        self._wanted = self._inside = False
        self._ending: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()

    @property
    def generation(self) -> int:
        """Grows with each connection made."""
        return self._generation

    @property
    def schema(self) -> Schema:
        """How tables are called here."""
        return self._schema

    async def connect(self) -> None:
        """Make the connection if there is none; errors as `Database.connect`."""
        if self._connection is not None and not self._connection.is_closed():
            return
        self._inside = False
        try:
            self._connection = await self._dialled()
        except _FAILURES as error:
            raise self._refused(error) from error
        self._generation += 1

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """One read-only transaction; it begins with the first query, so that nothing is held before."""
        self._wanted = True
        try:
            yield
        finally:
            self._wanted = False
            await self._ended()

    async def fetch_all(self, queries: Sequence[Query]) -> list[Answer]:
        """The answers, in order; errors as `Database.fetch_all`."""
        if not queries:
            return []
        async with self._turn:
            if self._ending is not None:  # of a reader that was cancelled while it ended
                await asyncio.shield(self._ending)
            if self._inside:
                return [await self._answer(query) for query in queries]
            await self.connect()
            try:
                await self._begin("REPEATABLE READ" if self._wanted else "READ COMMITTED")
                return [await self._answer(query) for query in queries]
            finally:
                if not self._wanted:
                    await self._ended()

    async def server(self) -> str:
        """The cluster's identifier and its timeline, which grows when a replica is promoted; and its address."""
        (found, where) = await self.fetch_all([Query(sql=_WHO), Query(sql=_WHERE)])
        if isinstance(found, Unreadable):
            return "" if isinstance(where, Unreadable) else " ".join(map(str, where[0]))
        system, timeline, host, port = found[0]
        return f"system={system} timeline={timeline} address={host or 'socket'}:{port or ''}"

    async def version(self) -> str:
        """Such as `PostgreSQL 15.18`."""
        return f"PostgreSQL {await self._value(Query(sql=_VERSION))}"

    async def clock(self) -> int | None:
        """clock_timestamp() of the server."""
        found = await self._value(Query(sql=_CLOCK))
        return None if found is None else int(found)

    async def account_host(self) -> str:
        """None: a role is let in from where pg_hba.conf says."""
        return ""

    async def rights_to_write(self) -> tuple[Right, ...]:
        """What the account may do besides reading, by itself, by its roles and as everybody."""
        return await rights.beyond_reading(self, str(await self._value(Query(sql="SELECT current_user"))))

    async def places_of(self, ending: str) -> tuple[Place, ...]:
        """Those of this database, also in schemas that the account may not look into."""
        (answer,) = await self.fetch_all([Query(sql=_PLACES, params=(ending, ending))])
        told = [] if isinstance(answer, Unreadable) else answer
        return tuple(Place(within=schema, table=table, entered=entered) for schema, table, entered in told)

    async def step(self) -> int:
        """The increment of the log's sequence; 1 where it cannot be seen."""
        found = await self._value(Query(sql=_STEP, params=(f"{self._schema.log_table}_id_seq",)))
        return max(1, int(found or 1))

    async def close(self) -> None:
        """Let go of the connection; may be called twice."""
        connection, self._connection = self._connection, None
        self._inside = False
        if connection is not None:
            with contextlib.suppress(*_FAILURES):
                await asyncio.shield(connection.close(timeout=self._options.limits.connect_s))

    async def _value(self, query: Query) -> Any:
        (answer,) = await self.fetch_all([query])
        return None if isinstance(answer, Unreadable) or not answer else answer[0][0]

    async def _dialled(self) -> Any:
        limits, url = self._options.limits, self._url
        verified = tls.context_of(self._query, self._options.place, self._key)
        return await asyncpg.connect(
            host=self._query.get("unix_socket") or url.hostname or "127.0.0.1",
            port=url.port or 5432,
            user=unquote(url.username or ""),
            password=self._password or "",
            database=unquote(url.path.lstrip("/")),
            timeout=limits.connect_s,
            command_timeout=limits.statement_s + limits.connect_s,
            statement_cache_size=0,
            **({} if verified is None else {"ssl": verified}),
        )

    async def _begin(self, isolation: str) -> None:
        """Bounds that the server keeps for us: a page must never make Moodle wait."""
        limits = self._options.limits
        statement_ms, idle_ms = int(limits.statement_s * 1000), int((limits.statement_s + limits.connect_s) * 1000)
        words = [
            f"BEGIN ISOLATION LEVEL {isolation} READ ONLY",
            f"SET LOCAL statement_timeout = {statement_ms}",
            f"SET LOCAL lock_timeout = {max(1, int(limits.connect_s * 1000))}",
            f"SET LOCAL idle_in_transaction_session_timeout = {idle_ms}",
        ]
        if "schema" in self._query:
            words.append('SET LOCAL search_path = "{}"'.format(self._query["schema"].replace('"', '""')))
        self._inside = True
        try:
            await self._connection.execute("; ".join([*words, _SAVED]))
        except _FAILURES as error:
            raise self._failed(error) from error

    async def _ended(self) -> None:
        """End the transaction, also where whoever waits for it is cancelled meanwhile."""
        self._ending = asyncio.ensure_future(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        """End the transaction; where that fails, or an answer is still under way, the connection goes and it with it.

        Never raises.
        """
        if not self._inside:
            return
        self._inside = False
        try:
            await self._connection.execute("ROLLBACK", timeout=self._options.limits.connect_s)
        except _FAILURES:
            self._drop()

    async def _answer(self, query: Query) -> Answer:
        try:
            return await self._rows(query)
        except _UNREADABLE as error:
            with contextlib.suppress(*_FAILURES):
                await self._connection.execute(_BACK)
            text = str(error)
            named = (name for name in query.tables if self._schema.full(name) in text)
            return Unreadable(
                table=next(named, next(iter(query.tables), "")),
                denied=isinstance(error, asyncpg.InsufficientPrivilegeError),
                reason=text,
            )
        except _FAILURES as error:
            raise self._failed(error) from error

    async def _rows(self, query: Query) -> Rows:
        if self._connection is None or self._connection.is_closed():
            raise TransientError("the connection to the database is lost", hint="it is made again at the next try")
        number = count(1)
        sql = "".join(f"${next(number)}" if sign == "?" else sign for sign in query.sql)
        return [tuple(row) for row in await self._connection.fetch(sql, *query.params)]

    def _failed(self, error: Exception) -> RewardsError:
        """A statement failed for a reason that time cures; a connection in doubt is dropped."""
        if isinstance(error, _CONFLICT):
            return TransientError(
                f"{self._where()} ended a statement that held up its replication: {error}",
                hint="it is tried again; a replica with hot_standby_feedback = on does so less often",
            )
        if isinstance(error, _TIMED_OUT):
            self._drop()
            return TransientError(
                f"a statement on {self._where()} took longer than {self._options.limits.statement_s:g} s",
                hint="the database is busy, or a table lacks its index; it is tried again",
            )
        if isinstance(error, _LOST):
            self._drop()
        return TransientError(f"{self._where()}: {error}", hint="it is tried again")

    def _refused(self, error: Exception) -> RewardsError:
        """Why no connection came about: what an edit cures, or what waiting cures."""
        place, user = self._options.place, unquote(self._url.username or "")
        if isinstance(error, _REFUSED):
            return ConfigError(
                f"{place}: the database at {self._where()} refuses user {user!r}: {error}",
                hint=f"check the user in {self._key} and the password in password_file; its VALID UNTIL may be over; "
                "pg_hba.conf may lack a line for this host, or want TLS (?ssl_ca=…) or our certificate (&ssl_cert=…)",
                fault="account-refused",
            )
        if isinstance(error, (asyncpg.InvalidCatalogNameError, asyncpg.InsufficientPrivilegeError)):
            name = unquote(self._url.path.lstrip("/"))
            there = isinstance(error, asyncpg.InsufficientPrivilegeError)
            told = (
                f"user {user!r} may not use the database {name!r}"
                if there
                else f"the server knows no database {name!r} that user {user!r} may use"
            )
            grant = f'run `GRANT CONNECT ON DATABASE "{name}" TO "{user}";`, or ' if there else ""
            return ConfigError(
                f"{place}: {told}",
                hint=f"{grant}correct the database's name at the end of {self._key}",
                fault="database-unknown",
            )
        if isinstance(error, asyncpg.TooManyConnectionsError):
            return TransientError(
                f"the database at {self._where()} takes no more connections: {error}",
                hint="raise max_connections, or what this account may have (ALTER ROLE … CONNECTION LIMIT "
                f"{CONNECTIONS_MAX}), and let no other program use the account; it is tried again",
                fault="database-full",
            )
        untrusted = tls.refused(error, self._where(), place, self._key, asked="ssl_ca" in self._query)
        if untrusted is not None:
            return untrusted
        return TransientError(
            f"the database at {self._where()} cannot be reached: {self._said(error)}",
            hint=f"check that it runs and that {self._key} in {place} names its address; it is tried again",
            fault="database-unreachable",
        )

    def _said(self, error: Exception) -> str:
        """Why there is no connection, where the driver has no words of its own or wrong ones."""
        if isinstance(error, TimeoutError):
            return f"no answer within {self._options.limits.connect_s:g} s"
        if isinstance(error, ConnectionError) and error.errno in _HUNG_UP:
            return "it ends the conversation at once, as no PostgreSQL does (MariaDB and MySQL want mysql://)"
        return str(error) or type(error).__name__

    def _where(self) -> str:
        return f"{self._query.get('unix_socket') or self._url.hostname or '127.0.0.1'}:{self._url.port or 5432}"

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._inside = False
        if connection is not None:
            connection.terminate()
