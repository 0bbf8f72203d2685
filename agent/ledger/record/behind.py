"""Inserts that go on while their unit works on: many rows to a statement, so that SQLite works beside the interpreter.

SQLite works in a thread of its own and without the interpreter's lock for as long as one statement takes; a statement
for each row would ask for that lock at each row. (docs/adr/0030)
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Iterator, Sequence
from itertools import chain
from types import TracebackType
from typing import Any, Self, TypeVar

import aiosqlite

Row = tuple[Any, ...]
T = TypeVar("T")
_TURNS = 8
"""Of the loop, until what gathers several queries has asked them all."""

CHUNKS = (500, 50)
"""Rows of one statement: few sizes, so that SQLite prepares each once and keeps it. What is left is one statement."""


def statements(into: str, rows: Sequence[Row], then: str = "") -> Iterator[tuple[str, list[Sequence[Row]]]]:
    """The statements that insert ``rows`` (all of one length) in order, each with the chunks it is run for.

    ``into`` is a table, with its columns where not all are given; ``then`` what follows the values.
    """
    start = 0
    for size in (*CHUNKS, len(rows) % CHUNKS[-1]):
        count = (len(rows) - start) // size if size else 0
        if count:
            values = f"({', '.join('?' * len(rows[0]))})"
            sql = f"INSERT INTO {into} VALUES {', '.join([values] * size)} {then}"  # noqa: S608 - the recorder's own
            yield sql, [rows[start + n * size : start + (n + 1) * size] for n in range(count)]
            start += count * size


class Behind:
    """The inserts of one of the writer's units, in the order in which they were begun.

    A context: it is left only when all of them have ended, whatever happened, so that none reaches the transaction of
    another; the first that failed is what it raises. Until then write by nothing but `insert`, or through `quiet`:
    an error may have ended the transaction already, and what is written after it would stand alone.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self.connection = connection
        self._begun: list[asyncio.Task[None]] = []
        self._asked: list[asyncio.Task[Any]] = []
        self._cursor: aiosqlite.Cursor

    async def insert(self, into: str, rows: Sequence[Row], then: str = "") -> None:
        """Begin to insert ``rows`` (see `statements`) and return while they are being written.

        Bytes of many rows are better bytearrays: `sqlite3` looks whether each value of bytes is to be adapted, which
        takes it longer than to bind it, and holds the interpreter's lock.
        """
        if not rows:
            return
        self._begun += [asyncio.create_task(self._run(*each)) for each in statements(into, rows, then)]
        await asyncio.sleep(0)  # lets them reach the connection's queue

    async def ask(self, asking: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin to read and return while SQLite looks; the answer is for whoever awaits it."""
        task = asyncio.create_task(asking)
        self._asked.append(task)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        return task

    async def _run(self, sql: str, chunks: list[Sequence[Row]]) -> None:
        await self._cursor.executemany(sql, self._within(chunks))

    def _within(self, chunks: list[Sequence[Row]]) -> Iterator[Row]:
        """The values of each chunk, but nothing after the transaction's end; runs in the connection's thread."""
        for rows in chunks:
            if not self.connection.in_transaction:
                message = "its transaction has ended"
                raise sqlite3.OperationalError(message)
            yield tuple(chain.from_iterable(rows))

    async def quiet(self) -> aiosqlite.Connection:
        """The connection for any other write: everything begun has ended, and well."""
        begun, self._begun = self._begun, []
        try:
            outcomes = await asyncio.gather(*begun, return_exceptions=True)
        except BaseException:
            self._begun = begun
            raise
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return self.connection

    async def __aenter__(self) -> Self:
        """Nothing begun yet.

        One cursor for all, closed in SQLite's thread: one that is let go in another thread resets its statement while
        that may be running again.
        """
        self._cursor = await self.connection.cursor()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all of them. After an error only what SQLite's thread has taken up runs on, before the rollback."""
        try:
            if error is None:
                await asyncio.gather(*self._asked)
                await self.quiet()
        finally:
            left = [*self._begun, *self._asked]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await self._cursor.close()
