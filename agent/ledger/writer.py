"""One writer at the heart: a queue of units, each one transaction on the only connection that writes.

Nothing interleaves with a unit, and cancelling the one who asked for it waits until it is committed or rolled back:
cancelled in the middle it would leave its transaction open for the next one to commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from agent.errors import ConstraintError, RewardsError, TransientError
from agent.ledger import file
from agent.ledger.backup.taking import before_upgrade
from machine.whole import in_a_thread, to_the_end

Unit = Callable[[aiosqlite.Connection], Awaitable[Any]]
T = TypeVar("T")
_Work = Callable[[], Awaitable[Any]]
UNITS_WAITING_MAX = 16


class Writer:
    """The only way to write the ledger file. Made by `open`, ended by `close`."""

    def __init__(self, connection: aiosqlite.Connection, lock: file.Lock, path: Path) -> None:
        self._connection = connection
        self._lock = lock
        self._path = path
        self._queue: asyncio.Queue[tuple[_Work, asyncio.Future[Any]] | None] = asyncio.Queue(UNITS_WAITING_MAX)
        self._task = asyncio.create_task(self._work(), name="ledger-writer")
        self._ending: asyncio.Task[None] | None = None
        self._forget: list[Callable[[], None]] = []
        self._closed = False
        self.trouble: RewardsError | None = None
        """Why the newest unit could not be written (a full disk, a lock, damage); None where it could be."""

    @classmethod
    async def open(cls, data_dir: Path) -> Writer:
        """Lock the directory, open the file, bring its schema up to date.

        Raises:
            ConfigError: the directory cannot be written.
            TransientError: another agent has it, the disk is full.
            IntegrityError: the file is damaged or newer than this program.
        """
        file.prepare_directory(data_dir)
        file.require_ledger(data_dir)
        path = file.ledger_path(data_dir)
        async with contextlib.AsyncExitStack() as undo:
            lock = undo.enter_context(file.Lock(data_dir))
            try:
                connection = await aiosqlite.connect(path, isolation_level=None, timeout=file.BUSY_TIMEOUT_MS / 1000)
                undo.push_async_callback(connection.close)
                path.chmod(0o600)
                for pragma in file.WRITER_PRAGMAS:
                    await connection.execute(pragma)
                await in_a_thread(_migrate_apart, path)
                file.mark_begun(data_dir)
            except sqlite3.Error as exc:
                raise file.database_error(path, exc) from exc
            except OSError as exc:
                raise file.directory_error(data_dir, exc) from exc
            undo.pop_all()  # nothing to undo: from here on `close` ends both
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
        return await self._asked(partial(self._transaction, unit))

    async def tried(self, unit: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """What `run` of ``unit`` would come to: done in full and rolled back, nothing of it stands.

        Raises:
            TransientError: the disk is full or the file locked.
            IntegrityError: SQLite refused for another reason.
        """
        return await self._asked(partial(self._transaction, unit, end="ROLLBACK"))

    async def alone(self, work: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """Run ``work`` on the connection after every unit asked for before, in no transaction: for what allows none.

        Raises:
            TransientError: the disk is full or the file locked.
            IntegrityError: SQLite refused for another reason.
        """
        return await self._asked(partial(work, self._connection))

    async def _asked(self, work: Callable[[], Awaitable[T]]) -> T:
        if self._closed:
            raise _closed()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        await self._queue.put((work, done))
        if self._task.done() and not done.done():
            raise _closed()
        return await to_the_end(done)

    async def close(self) -> None:
        """Finish what was asked for, close the file, release the lock. May be called twice."""
        if self._ending is None:
            self._closed = True
            self._ending = asyncio.create_task(self._end(), name="ledger-writer-end")
        await to_the_end(self._ending)

    async def _end(self) -> None:
        try:
            await self._queue.put(None)
            await asyncio.wait([self._task])
        finally:
            try:
                await self._connection.close()
            finally:
                self._lock.release()

    async def _work(self) -> None:
        try:
            while (item := await self._queue.get()) is not None:
                await self._settle(*item)
        finally:
            # Also where the whole loop is torn down: nobody may wait for ever for an answer.
            self._closed = True
            while not self._queue.empty():
                if (item := self._queue.get_nowait()) is not None:
                    item[1].set_exception(_closed())

    async def _settle(self, work: _Work, done: asyncio.Future[Any]) -> None:
        try:
            result = await work()
        except sqlite3.Error as exc:
            error = file.database_error(self._path, exc)
            if not isinstance(error, ConstraintError):  # which is about what was written
                self.trouble = error
            done.set_exception(error)
        except asyncio.CancelledError:
            writer = asyncio.current_task()
            if writer is not None and writer.cancelling():
                done.set_exception(_closed())
                raise
            done.cancel()  # the unit waited for something that was cancelled
        except Exception as exc:  # noqa: BLE001 - handed to the one who asked
            done.set_exception(exc)
        except BaseException:
            done.set_exception(_closed())
            raise
        else:
            self.trouble = None
            done.set_result(result)

    async def _transaction(self, unit: Callable[[aiosqlite.Connection], Awaitable[T]], end: str = "COMMIT") -> T:
        stands = False
        try:
            await self._connection.execute("BEGIN IMMEDIATE")
            result = await unit(self._connection)
            await self._connection.execute(end)
            stands = end == "COMMIT"
        finally:
            if not stands:
                try:
                    # Queued behind whatever the unit left under way; does nothing where SQLite has rolled back already.
                    await self._connection.rollback()
                finally:
                    for forget in self._forget:
                        forget()
        return result


def _closed() -> TransientError:
    return TransientError("the ledger is being closed", hint="nothing of this stands: ask again when the agent runs")


def _migrate_apart(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=file.BUSY_TIMEOUT_MS / 1000)
    try:
        had = int(connection.execute("PRAGMA user_version").fetchone()[0])
        before_upgrade(path, had)
        file.migrate(connection, path)
    finally:
        connection.close()
