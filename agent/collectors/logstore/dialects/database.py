"""The seam between the collector and a database: queries in, rows out, one short read-only transaction at a time.

A new dialect is one file with a `Database` and a line in `connect.py`. Synchronous drivers derive from
`ThreadedDatabase` and run in one worker thread; an asynchronous driver implements `Database` itself.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Row = tuple[Any, ...]
Rows = list[Row]
RANGES_PER_QUERY = 250
"""Ranges in one condition, where they cannot be given as lists."""
_BY_LISTS = (
    "SELECT found.* FROM unnest(?::bigint[], ?::bigint[], ?::bigint[]) AS asked (number, first, last) "
    "CROSS JOIN LATERAL ([asked] OFFSET 0) found"
)
"""The offset keeps it one look into the index for each range, whatever the server believes of their number."""
_TABLE = re.compile(r"\{(\w+)\}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One SELECT: text with `?` for each parameter, and the tables (without prefix) that it reads."""

    sql: str
    params: tuple[object, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """The answer to a query on a table that is not there or that we may not read; the transaction goes on."""

    table: str
    denied: bool
    reason: str


Answer = Rows | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """What an account may do besides reading; ``cure`` says what a database administrator runs to take it back."""

    told: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a table stands: its database (MariaDB, MySQL) or schema (PostgreSQL), its whole name, and whether the
    account may look into that schema at all.
    """  # noqa: D205 - one sentence

    within: str
    table: str
    entered: bool = True


class Database(Protocol):
    """One connection to one database, made when first used and again after it was lost."""

    @property
    def generation(self) -> int:
        """Grows with each connection made."""
        ...

    @property
    def schema(self) -> Schema:
        """How tables are called here."""
        ...

    async def connect(self) -> None:
        """Make the connection if there is none.

        Raises:
            ConfigError: user, password, database or TLS settings are refused.
            TransientError: it cannot be reached now.
        """
        ...

    def snapshot(self) -> AbstractAsyncContextManager[None]:
        """One read-only transaction that sees one state of the database (REPEATABLE READ); ended on leaving."""
        ...

    async def fetch_all(self, queries: Sequence[Query]) -> list[Answer]:
        """The answers, in order; outside of a snapshot each query sees the newest state. Calls follow one another.

        Raises:
            TransientError: connection lost, time-out, deadlock.
        """
        ...

    async def server(self) -> str:
        """Who answers at this address, as far as it tells; empty where it does not."""
        ...

    async def version(self) -> str:
        """The server's own version text."""
        ...

    async def clock(self) -> int | None:
        """The server's own clock, seconds since 1970; None where it has none of its own."""
        ...

    async def account_host(self) -> str:
        """Which host the server keeps with our account, as a GRANT must name it; empty where it keeps none."""
        ...

    async def rights_to_write(self) -> tuple[Right, ...]:
        """What this account may do besides reading; empty is how it should be."""
        ...

    async def places_of(self, ending: str) -> tuple[Place, ...]:
        """The tables, as far as the account sees them, whose names end so; those of our own database first."""
        ...

    async def step(self) -> int:
        """By how much ids of a sequence grow (`auto_increment_increment`)."""
        ...

    async def close(self) -> None:
        """Let go of the connection; may be called twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """How tables are called and how the few things are said that dialects say differently.

    ``has_lists`` says that a list of numbers can be one parameter.
    """

    prefix: str
    log_table: str
    quote: str = '"'
    ends_with: str = "substr({column}, -{length}) = ?"
    list_of: str = "GROUP_CONCAT({column})"
    has_lists: bool = False

    def table(self, name: str) -> str:
        """A table's quoted name; `log` is the log table."""
        full = self.full(name)
        return f"{self.quote}{full}{self.quote}"

    def full(self, name: str) -> str:
        """A table's name with its prefix."""
        return self.log_table if name == "log" else f"{self.prefix}{name}"

    def query(self, template: str, *params: object, **parts: str | Iterable[int]) -> Query:
        """A query from a template: `{quiz}` is a table, `[ids]` numbers or a piece of SQL, `?` a parameter."""
        tables = tuple(dict.fromkeys(_TABLE.findall(template)))
        sql = _TABLE.sub(lambda match: self.table(match.group(1)), template)
        for key, part in parts.items():
            text = part if isinstance(part, str) else ",".join(map(str, part)) or "NULL"
            sql = sql.replace(f"[{key}]", text)
        return Query(sql=sql, params=params, tables=tables)

    def ranged(self, template: str, of: str, within: str, ranges: Sequence[tuple[int, int, int]]) -> list[Query]:
        """Queries from a template with the condition `[ranged]`: that columns ``of`` and ``within`` are in a range.

        Ranges are (number, first, last), of which none meets another: the index on both columns is read range by range.
        """
        if self.has_lists and ranges:
            asked = template.replace("[ranged]", f"{of} = asked.number AND {within} BETWEEN asked.first AND asked.last")
            lists = ([one[place] for one in ranges] for place in range(3))
            return [self.query(_BY_LISTS.replace("[asked]", asked), *lists)]
        terms = [f"{of} = {number} AND {within} BETWEEN {first} AND {last}" for number, first, last in ranges]
        some = (terms[at : at + RANGES_PER_QUERY] for at in range(0, len(terms), RANGES_PER_QUERY))
        return [self.query(template, ranged=f"({' OR '.join(each)})") for each in some]

    def listing(self, column: str) -> str:
        """An aggregate: the values of ``column`` as text with commas, in any order."""
        return self.list_of.format(column=column)

    def suffix(self, column: str, suffix: str) -> str:
        """A condition that ``column`` ends with the next parameter."""
        return self.ends_with.format(column=column, length=len(suffix))


class ThreadedDatabase(ABC):
    """A `Database` over a synchronous driver: one connection, one worker thread, one hop per batch of queries."""

    def __init__(self, schema: Schema, name: str) -> None:
        self._schema = schema
        self._generation = 0
        self._begin_pending = False
        self._in_snapshot = False
        self._closed = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"logstore-{name}")

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
        await self._look_up()
        await self._hop(self._ensure)

    async def _look_up(self) -> None:  # noqa: B027 - a file has no server
        """See that the server's name is known where there is no connection; the driver has no bound for it."""

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """One read-only transaction; it begins with the first query, so that nothing is held before."""
        self._begin_pending = True
        try:
            yield
        finally:
            self._begin_pending = False
            await asyncio.shield(self._hop(self._leave))

    async def fetch_all(self, queries: Sequence[Query]) -> list[Answer]:
        """The answers, in order; errors as `Database.fetch_all`."""
        if not queries:
            return []
        await self._look_up()
        return await self._hop(lambda: self._fetch(queries))

    async def close(self) -> None:
        """Let go of the connection and of the worker thread."""
        if not self._closed:
            self._closed = True
            await asyncio.shield(self._hop(self._drop))
            self._worker.shutdown(wait=False)

    async def _hop(self, work: Callable[[], _T]) -> _T:
        """Run in the worker thread; hops of one database follow one another."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _ensure(self) -> None:
        if not self._is_open():
            self._open()
            self._generation += 1

    def _fetch(self, queries: Sequence[Query]) -> list[Answer]:
        self._ensure()
        if self._begin_pending:
            self._begin_pending = False
            self._begin()
            self._in_snapshot = True
        return [self._run(query) for query in queries]

    def _leave(self) -> None:
        if self._in_snapshot:
            self._in_snapshot = False
            self._end()

    @abstractmethod
    def _is_open(self) -> bool:
        """Whether there is a connection."""

    @abstractmethod
    def _open(self) -> None:
        """Connect; raises ConfigError or TransientError."""

    @abstractmethod
    def _begin(self) -> None:
        """Begin a read-only transaction with one consistent view."""

    @abstractmethod
    def _end(self) -> None:
        """End it; on failure drop the connection, which ends it too. Never raises."""

    @abstractmethod
    def _run(self, query: Query) -> Answer:
        """Answer one query; on a lost connection drop it and raise TransientError."""

    @abstractmethod
    def _drop(self) -> None:
        """Close the connection if there is one. Never raises."""
