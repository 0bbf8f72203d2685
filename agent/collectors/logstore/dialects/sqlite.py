"""SQLite, read-only: the demonstration's log, and tests."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote

from agent.collectors.logstore.dialects.database import (
    Answer,
    Place,
    Query,
    Right,
    Schema,
    ThreadedDatabase,
    Unreadable,
)
from agent.collectors.logstore.options import LogstoreOptions
from agent.errors import ConfigError, TransientError

_PLACES = "SELECT name FROM sqlite_master WHERE name LIKE ? ORDER BY name LIMIT 5"


class SqliteDatabase(ThreadedDatabase):
    """One read-only connection to one file (`sqlite:////absolute/path` or `sqlite:///relative/path`)."""

    def __init__(self, options: LogstoreOptions, url: SplitResult, *, key: str = "url") -> None:
        log_table = options.log_table or f"{options.table_prefix}logstore_standard_log"
        super().__init__(Schema(prefix=options.table_prefix, log_table=log_table), options.name)
        self._options = options
        self._path = Path(unquote(url.path.removeprefix("/")))
        self._key = key
        self._connection: sqlite3.Connection | None = None

    async def server(self) -> str:
        """A file is its own server."""
        return str(self._path)

    async def version(self) -> str:
        """The library's version; a file has no server."""
        return f"SQLite {sqlite3.sqlite_version}"

    async def clock(self) -> int | None:
        """None: a file goes by this machine's clock."""
        return None

    async def account_host(self) -> str:
        """None: a file has no accounts."""
        return ""

    async def rights_to_write(self) -> tuple[Right, ...]:
        """None: the file is opened read-only."""
        return ()

    async def places_of(self, ending: str) -> tuple[Place, ...]:
        """Those of the file."""
        (answer,) = await self.fetch_all([Query(sql=_PLACES, params=(f"%{ending}",))])
        return () if isinstance(answer, Unreadable) else tuple(Place(within="", table=str(row[0])) for row in answer)

    async def step(self) -> int:
        """SQLite counts by one."""
        return 1

    def _is_open(self) -> bool:
        return self._connection is not None

    def _open(self) -> None:
        if not self._path.is_file():
            raise ConfigError(
                f"{self._options.place}: there is no SQLite file {self._path}",
                hint=f"correct the path in {self._key} (an absolute one has four slashes: sqlite:////var/lib/…)",
                fault="database-unknown",
            )
        with ExitStack() as undo:
            try:
                connection = sqlite3.connect(
                    f"file:{quote(str(self._path))}?mode=ro",
                    uri=True,
                    isolation_level=None,
                    check_same_thread=False,
                    timeout=self._options.limits.connect_s,
                )
                undo.callback(connection.close)
                connection.execute("PRAGMA query_only = ON")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
            except sqlite3.OperationalError as error:
                raise TransientError(
                    f"{self._path} cannot be opened: {error}", hint="it is tried again", fault="database-unreachable"
                ) from error
            except sqlite3.DatabaseError as error:
                raise ConfigError(
                    f"{self._options.place}: {self._path} is not an SQLite database",
                    hint=f"correct {self._key}",
                    fault="database-unknown",
                ) from error
            undo.pop_all()  # `close` ends it
        self._connection = connection

    def _begin(self) -> None:
        try:
            self._cursor("BEGIN", ())
        except sqlite3.Error as error:
            self._drop()
            raise TransientError(f"{self._path}: {error}", hint="it is tried again") from error

    def _end(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.execute("COMMIT")

    def _run(self, query: Query) -> Answer:
        try:
            return self._cursor(query.sql, query.params).fetchall()
        except sqlite3.OperationalError as error:
            text = str(error)
            if not text.startswith(("no such table", "no such column")):
                raise TransientError(f"{self._path}: {text}", hint="it is tried again") from error
            named = (name for name in query.tables if text.endswith(self._schema.full(name)))
            return Unreadable(table=next(named, next(iter(query.tables), "")), denied=False, reason=text)
        except sqlite3.DatabaseError as error:
            self._drop()
            raise TransientError(f"{self._path}: {error}", hint="it is tried again") from error

    def _cursor(self, sql: str, params: tuple[object, ...]) -> sqlite3.Cursor:
        if self._connection is None:
            raise TransientError(f"{self._path} is closed", hint="it is opened again at the next try")
        return self._connection.execute(sql, params)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
