"""MariaDB and MySQL through pymysql, in one worker thread."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CR, ER

from agent.collectors.logstore.dialects import tls
from agent.collectors.logstore.dialects.database import (
    Answer,
    Place,
    Query,
    Right,
    Schema,
    ThreadedDatabase,
    Unreadable,
)
from agent.collectors.logstore.dialects.rights import mysql as rights
from agent.collectors.logstore.options import CONNECTIONS_MAX, LogstoreOptions
from agent.errors import ConfigError, RewardsError, TransientError

_ACCESS = {ER.ACCESS_DENIED_ERROR, 1698, 1524}
"""1524: of some accounts that are not there MySQL 8.4 wants a proof that it has not loaded (mysql_native_password)."""
_OF_NO_USE = {
    4151: ("is locked", "ACCOUNT UNLOCK"),
    3118: ("is locked", "ACCOUNT UNLOCK"),
    1820: ("has a password that expired", "IDENTIFIED BY … PASSWORD EXPIRE NEVER"),
    1862: ("has a password that expired", "IDENTIFIED BY … PASSWORD EXPIRE NEVER"),
}
"""What is wrong with an account that is there, and what cures it after `ALTER USER …`. 4151 is MariaDB's number."""
_FULL = {ER.CON_COUNT_ERROR, 1203, 1226}
_UNREADABLE = {
    ER.TABLEACCESS_DENIED_ERROR,
    ER.COLUMNACCESS_DENIED_ERROR,
    ER.NO_SUCH_TABLE,
    ER.UNKNOWN_TABLE,  # what information_schema says
    ER.BAD_FIELD_ERROR,
}
_DENIED = {ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR}
_NO_ENTRY = {ER.HOST_NOT_PRIVILEGED}
_TIMED_OUT = {1969, 3024}
_LOST = {CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, 4031, 1927, 0}

_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")  # noqa: S108 - as servers do
"""Where servers of this machine have theirs."""

LIST_BYTES_MAX = 4_194_304
"""A listed block or section at most; MySQL's own limit of 1,024 bytes would cut it without a word."""

_BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
_IDENTITY = ("server_uuid", "hostname", "server_id", "port")
_STEP = "auto_increment_increment"
_PLACES = (
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_name LIKE ?"
    " ORDER BY table_schema <> DATABASE(), table_schema, table_name LIMIT 5"
)


class MysqlDatabase(ThreadedDatabase):
    """One connection to one MariaDB or MySQL database.

    ``key`` is the setting that holds ``url`` (`url` or `log_url`), for messages.
    """

    def __init__(self, options: LogstoreOptions, url: SplitResult, password: str | None, *, key: str = "url") -> None:
        schema = Schema(
            prefix=options.table_prefix,
            log_table=options.log_table or f"{options.table_prefix}logstore_standard_log",
            quote="`",
            ends_with="RIGHT({column}, {length}) = ?",
        )
        super().__init__(schema, options.name)
        self._options = options
        self._url = url
        self._password = password
        self._key = key
        self._query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self._connection: Connection[pymysql.cursors.Cursor] | None = None

    async def server(self) -> str:
        """What of uuid, host name, server id and port the server tells."""
        found = await self._variables("SESSION", _IDENTITY)
        return " ".join(f"{name}={found[name]}" for name in _IDENTITY if found.get(name))

    async def version(self) -> str:
        """Such as `10.11.6-MariaDB`."""
        (answer,) = await self.fetch_all([Query(sql="SELECT VERSION()")])
        return "" if isinstance(answer, Unreadable) else str(answer[0][0])

    async def clock(self) -> int | None:
        """UNIX_TIMESTAMP() of the server."""
        (answer,) = await self.fetch_all([Query(sql="SELECT UNIX_TIMESTAMP()")])
        return None if isinstance(answer, Unreadable) else int(answer[0][0])

    async def account_host(self) -> str:
        """Such as `localhost`, `%` or `10.0.0.%`."""
        (answer,) = await self.fetch_all([Query(sql="SELECT CURRENT_USER()")])
        return "" if isinstance(answer, Unreadable) else str(answer[0][0]).rpartition("@")[2]

    async def rights_to_write(self) -> tuple[Right, ...]:
        """The grants of this account, its roles and of everybody that give more than SELECT."""
        return await rights.beyond_reading(self)

    async def places_of(self, ending: str) -> tuple[Place, ...]:
        """Those that the account has any right to."""
        (answer,) = await self.fetch_all([Query(sql=_PLACES, params=(f"%{ending}",))])
        told = [] if isinstance(answer, Unreadable) else answer
        return tuple(Place(within=str(schema), table=str(table)) for schema, table in told)

    async def step(self) -> int:
        """`auto_increment_increment`: 3 on a Galera cluster of three."""
        found = await self._variables("GLOBAL", (_STEP,))
        return max(1, int(found.get(_STEP) or 1))

    async def _variables(self, scope: str, names: tuple[str, ...]) -> dict[str, str]:
        """Server variables by name; this server may not have each of them."""
        marks = ",".join("?" * len(names))
        (answer,) = await self.fetch_all(
            [Query(sql=f"SHOW {scope} VARIABLES WHERE Variable_name IN ({marks})", params=names)]
        )
        return {} if isinstance(answer, Unreadable) else {str(row[0]): str(row[1]) for row in answer}

    def _is_open(self) -> bool:
        return self._connection is not None

    async def _look_up(self) -> None:
        if self._is_open() or "unix_socket" in self._query:
            return
        host, port = self._url.hostname or "127.0.0.1", self._url.port or 3306
        try:
            await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise self._refused(error) from error

    def _open(self) -> None:
        limits = self._options.limits
        try:
            connection = pymysql.connect(
                host=self._url.hostname or "127.0.0.1",
                port=self._url.port or 3306,
                unix_socket=self._query.get("unix_socket"),
                user=unquote(self._url.username or ""),
                password=(self._password or "").encode(),  # the driver would take a text for latin-1
                database=unquote(self._url.path.lstrip("/")),
                charset="utf8mb4",
                connect_timeout=max(1, int(limits.connect_s)),
                read_timeout=limits.connect_s,
                write_timeout=limits.statement_s,
                autocommit=True,
                ssl=tls.context_of(self._query, self._options.place, self._key),
            )
        except (pymysql.err.OperationalError, pymysql.err.InternalError, OSError) as error:
            raise self._refused(error) from error
        vars(connection)["_read_timeout"] = limits.statement_s + limits.connect_s  # until now it was for the welcome
        try:
            self._prepare(connection)
        except pymysql.MySQLError as error:
            connection.close()
            raise (self._refused if _code(error) in _OF_NO_USE else self._failed)(error) from error
        self._connection = connection

    def _prepare(self, connection: Connection[pymysql.cursors.Cursor]) -> None:
        """Bounds that the server keeps for us: a page must never make Moodle wait."""
        limits = self._options.limits
        with connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            maria = "mariadb" in str(cursor.fetchall()).lower()
        bound = (
            f"max_statement_time = {limits.statement_s}"
            if maria
            else f"max_execution_time = {int(limits.statement_s * 1000)}"
        )
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION {bound}, SESSION lock_wait_timeout = {max(1, int(limits.connect_s))}")
            cursor.execute(f"SET SESSION group_concat_max_len = {LIST_BYTES_MAX}")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def _begin(self) -> None:
        try:
            self._execute(_BEGIN, None)
        except pymysql.MySQLError as error:
            raise self._failed(error) from error

    def _end(self) -> None:
        if self._connection is not None:
            try:
                self._connection.commit()
            except (pymysql.MySQLError, OSError):
                self._drop()

    def _run(self, query: Query) -> Answer:
        sql = query.sql.replace("%", "%%").replace("?", "%s")
        try:
            return self._execute(sql, query.params)
        except pymysql.MySQLError as error:
            code = _code(error)
            if code not in _UNREADABLE:
                raise self._failed(error) from error
            text = str(error.args[-1])
            named = (name for name in query.tables if f"{self._schema.full(name)}'" in text.replace("`", "'"))
            return Unreadable(table=next(named, next(iter(query.tables), "")), denied=code in _DENIED, reason=text)

    def _execute(self, sql: str, params: tuple[object, ...] | None) -> list[tuple[object, ...]]:
        if self._connection is None:
            raise TransientError("the connection to the database is lost", hint="it is made again at the next try")
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, params)
                return list(cursor.fetchall())
        except (pymysql.err.InterfaceError, OSError) as error:
            raise self._failed(pymysql.err.OperationalError(CR.CR_SERVER_LOST, str(error))) from error

    def _failed(self, error: pymysql.MySQLError) -> RewardsError:
        """A statement failed for a reason that time cures; a connection in doubt is dropped."""
        code = _code(error)
        if code in _LOST or isinstance(error, pymysql.err.InterfaceError):
            self._drop()
        if code in _TIMED_OUT:
            return TransientError(
                f"a statement on {self._where()} took longer than {self._options.limits.statement_s:g} s",
                hint="the database is busy, or a table lacks its index; it is tried again",
            )
        return TransientError(f"{self._where()}: {error.args[-1]}", hint="it is tried again")

    def _refused(self, error: Exception) -> RewardsError:
        """Why no connection came about: what an edit cures, or what waiting cures."""
        code = _code(error)
        place, limits = self._options.place, self._options.limits
        asked = "ssl_ca" in self._query
        wrong = self._account(code) or tls.refused(error, self._where(), place, self._key, asked=asked)
        if wrong is not None:
            return wrong
        reason = _said(error, limits.connect_s)
        if "unix_socket" in self._query:  # the driver would name a host that it did not try
            reason = getattr(error, "original_exception", reason)
        if code in _FULL:
            return TransientError(
                f"the database at {self._where()} takes no more connections: {reason}",
                hint="raise max_connections, or what this account may have (ALTER USER … WITH MAX_USER_CONNECTIONS "
                f"{CONNECTIONS_MAX}), and let no other program use the account; it is tried again",
                fault="database-full",
            )
        return TransientError(
            f"the database at {self._where()} cannot be reached: {reason}",
            hint=f"check that it runs and that {self._key} in {place} names its address{self._beside()}; "
            "it is tried again",
            fault="database-unreachable",
        )

    def _account(self, code: int) -> ConfigError | None:
        """What is wrong with the account or the database that the URL names, None where it is neither."""
        place, user, where = self._options.place, unquote(self._url.username or ""), self._where()
        told, cure, fault = "", "", "account-refused"
        if code in _ACCESS:
            told = f"the database at {where} refuses user {user!r} with this password"
            cure = (
                f"check the user in {self._key} and the password in password_file; this host may lack an account, "
                "one that was there before `init` kept its password (ALTER USER … IDENTIFIED BY …), or it wants TLS "
                f"(REQUIRE SSL: give {self._key} ?ssl_ca=…; REQUIRE X509: &ssl_cert=…&ssl_key=… too)"
            )
        elif code in _OF_NO_USE:
            wrong, words = _OF_NO_USE[code]
            told = f"the account {user!r} of the database at {where} {wrong}"
            cure = f"a database administrator runs: ALTER USER … {words}"
        elif code in {ER.BAD_DB_ERROR, ER.DBACCESS_DENIED_ERROR}:
            told = f"the server knows no database {self._url.path.lstrip('/')!r} that user {user!r} may use"
            cure = (
                f"correct the database's name at the end of {self._key}, or grant SELECT on its tables; where a GRANT "
                f"fails for a table that does not exist, correct table_prefix = {self._schema.prefix!r}; where a role "
                "has the rights, make it the account's own: SET DEFAULT ROLE … FOR …"
            )
            fault = "database-unknown"
        elif code in _NO_ENTRY:
            told = f"the database at {where} does not let user {user!r} in from this host"
            cure = f"create the account for this host, or correct the address in {self._key}"
        return ConfigError(f"{place}: {told}", hint=cure, fault=fault) if told else None

    def _beside(self) -> str:
        """The socket beside an address of this machine where nothing answers, if there is one."""
        found = next((socket for socket in _SOCKETS if Path(socket).exists()), None)
        if found is None or self._url.hostname not in {"localhost", "127.0.0.1", "::1"} or "unix_socket" in self._query:
            return ""
        return f"; where it listens at its socket alone, add ?unix_socket={found}"

    def _where(self) -> str:
        return self._query.get("unix_socket") or f"{self._url.hostname or '127.0.0.1'}:{self._url.port or 3306}"

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(pymysql.MySQLError, OSError):
                connection.close()


def _code(error: Exception) -> int:
    """The server's or driver's number for it; -1 where there is none."""
    first = error.args[0] if error.args else -1
    return first if isinstance(first, int) else -1


def _said(error: Exception, within_s: float) -> object:
    """Why there is no connection, where the driver speaks of a query that nobody sent."""
    if _code(error) == CR.CR_SERVER_LOST and "timed out" in str(error):
        return f"it takes the connection and says nothing for {within_s:g} s (PostgreSQL wants postgresql://)"
    if "sequence number" in str(error):
        return "what answers there speaks otherwise than MariaDB and MySQL"
    return error.args[-1] if error.args else error
