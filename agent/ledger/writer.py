"""One writer at the heart: a queue of units, each one transaction on the only connection that writes.

Nothing interleaves with a unit, and cancelling the one who asked for it waits until it is committed or rolled back:
cancelled in the middle it would leave its transaction open for the next one to commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from agent.errors import TransientError
from agent.ledger import file

Unit = Callable[[aiosqlite.Connection], Awaitable[Any]]
T = TypeVar("T")
UNITS_WAITING_MAX = 16


class Writer:
    """The only way to write the ledger file. Made by `open`, ended by `close`."""

    def __init__(self, connection: aiosqlite.Connection, lock: file.Lock, path: Path) -> None:
        self._connection = connection
        self._lock = lock
        self._path = path
        self._queue: asyncio.Queue[tuple[Unit, asyncio.Future[Any]] | None] = asyncio.Queue(UNITS_WAITING_MAX)
        self._task = asyncio.create_task(self._work(), name="ledger-writer")
        self._forget: list[Callable[[], None]] = []
        self._closed = False

    @classmethod
    async def open(cls, data_dir: Path) -> Writer:
        """Lock the directory, open the file, bring its schema up to date.

        Raises:
            ConfigError: the directory cannot be written.
            TransientError: another agent has it, the disk is full.
            IntegrityError: the file is damaged or newer than this program.
        """
        file.prepare_directory(data_dir)
        lock = file.Lock(data_dir).acquire()
        path = file.ledger_path(data_dir)
        connection: aiosqlite.Connection | None = None
        try:
            connection = await aiosqlite.connect(path, isolation_level=None, timeout=file.BUSY_TIMEOUT_MS / 1000)
            path.chmod(0o600)
            for pragma in file.WRITER_PRAGMAS:
                await connection.execute(pragma)
            await asyncio.to_thread(_migrate_apart, path)
        except (sqlite3.Error, OSError) as exc:
            if connection is not None:
                await connection.close()
            lock.release()
            if isinstance(exc, sqlite3.Error):
                raise file.database_error(path, exc) from exc
            raise file.directory_error(data_dir, exc) from exc
        except BaseException:
            if connection is not None:
                await connection.close()
            lock.release()
            raise
        return cls(connection, lock, path)

    def on_rollback(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` whenever a unit was rolled back: whoever caches rows must read them again."""
        self._forget.append(forget)

    async def run(self, unit: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """Run ``unit`` inside BEGIN IMMEDIATE … COMMIT, after every unit asked for before.

        Raises:
            TransientError: the disk is full or the file locked; nothing of the unit stands.
            IntegrityError: SQLite refused for another reason; nothing of the unit stands.
        """
        if self._closed:
            raise TransientError("the ledger is being closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        await self._queue.put((unit, done))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait([done])
            with contextlib.suppress(asyncio.CancelledError, Exception):
                done.result()
            raise

    async def close(self) -> None:
        """Finish what was asked for, close the file, release the lock. May be called twice."""
        if self._closed:
            return
        self._closed = True
        await self._queue.put(None)
        await self._task
        with contextlib.suppress(sqlite3.Error):
            await self._connection.execute("PRAGMA optimize")
        await self._connection.close()
        self._lock.release()

    async def _work(self) -> None:
        while (item := await self._queue.get()) is not None:
            unit, done = item
            try:
                result = await self._transaction(unit)
            except sqlite3.Error as exc:
                done.set_exception(file.database_error(self._path, exc))
            except Exception as exc:  # noqa: BLE001 - handed to the one who asked
                done.set_exception(exc)
            else:
                done.set_result(result)

    async def _transaction(self, unit: Unit) -> object:
        await self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = await unit(self._connection)
            await self._connection.execute("COMMIT")
        except BaseException:
            # A full disk can have rolled back by itself; then there is nothing left to undo.
            if self._connection.in_transaction:
                await self._connection.execute("ROLLBACK")
            for forget in self._forget:
                forget()
            raise
        return result


def _migrate_apart(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=file.BUSY_TIMEOUT_MS / 1000)
    try:
        file.migrate(connection, path)
    finally:
        connection.close()
