"""The inbox on disk: posts are appended by group commit, and stay until retention takes them.

A file of its own beside the ledger, with a writer of its own: a post is answered as soon as it is safe, however long
the page is that the ledger is recording. What arrives while one group is committed is the next group; no timer waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from agent.collectors.inbox import pulls, requeued
from agent.collectors.inbox.file import LAST, opened, told
from agent.collectors.inbox.personal import Anew, Traits, removed
from agent.collectors.inbox.pulls import Fetched
from agent.collectors.inbox.requeued import Kept, Refused, Sought
from agent.errors import TransientError
from agent.model import Evidence, noun

FILE_NAME = "inbox.db"
READ_BYTES_MAX = 4_194_304
"""Bytes of posts after which no more are read at once."""
GROUP_MAX = 512
"""Posts in one commit at most; a power of two, and as many as there are connections that may wait for an answer."""
WAITING_MAX = 5_000
"""Posts that wait for a commit at most; beyond it the sender is asked to come again."""
WAITING_PER_SOURCE_MAX = 2_000
"""Of these, from one source: a flood of one must leave room for the others."""
REFUSED_KEPT = 1_000
"""Refused posts that are kept for each source, so that somebody can look at what was wrong with them."""
REFUSED_BODY_MAX = 16_384
"""Bytes kept of each of them; one that is longer cannot be put back in line."""
_ROW = "(?, ?, ?, ?, ?)"
_APPEND = "INSERT INTO post (no, source, received_at, evidence, body) VALUES (?, ?, ?, ?, ?)"
_APPEND_ALL = """
INSERT INTO post (no, source, received_at, evidence, body)
SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL
"""
_NEXT = "SELECT no, received_at, evidence, body, was FROM post WHERE source = ? AND no > ? ORDER BY no LIMIT ?"
_OLDEST = "SELECT coalesce(min(no), 0) FROM post WHERE source = ?"
_NEWEST = "SELECT coalesce(max(no), 0) FROM post WHERE source = ?"
_REFUSE = "INSERT INTO refused (source, received_at, reason, told, body, evidence, whole) VALUES (?, ?, ?, ?, ?, ?, ?)"
_FORGET_REFUSED = """
DELETE FROM refused
WHERE source = ?1 AND no <= (SELECT no FROM refused WHERE source = ?1 ORDER BY no DESC LIMIT 1 OFFSET ?2)
"""
_EXPIRE = "DELETE FROM post WHERE source = ? AND no <= ? AND received_at < ?"
_EXPIRE_REFUSED = "DELETE FROM refused WHERE received_at < ?"
_LEAVING = "SELECT 1 FROM post WHERE source = ? AND no <= ? AND leaves LIMIT 1"
_LEAVES = "UPDATE post SET leaves = 1 WHERE source = ? AND no = ?"
_GONE = "DELETE FROM post WHERE source = ? AND no = ?"
_LET_GO = "DELETE FROM post WHERE source = ? AND no <= ? AND leaves"

_T = TypeVar("_T")


@noun
class _Waiting:
    source: str
    received_at: int
    evidence: Evidence
    body: bytes
    done: asyncio.Future[int]


class Inbox:
    """The inbox of one data directory, open for writing. Made by `open`, ended by `close`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._arrived: dict[str, asyncio.Event] = {}
        self._last = int(connection.execute(LAST).fetchone()[0])
        self._closed = False
        self._task = asyncio.create_task(self._work(), name="inbox-writer")

    @classmethod
    async def open(cls, data_dir: Path, *, floor: int = 0) -> Inbox:
        """Open or make the inbox; new posts get numbers above ``floor``, the highest that was ever read from it.

        Raises:
            TransientError: the disk is full, the file locked.
            IntegrityError: the file is damaged, or newer than this program.
        """
        path = data_dir / FILE_NAME
        return cls(await asyncio.to_thread(opened, path, floor), path)

    async def append(self, source: str, received_at: int, evidence: Evidence, body: bytes) -> int:
        """Keep a post; when this returns its number, it is on disk.

        Raises:
            TransientError: it is not kept: the disk is full, or too many wait.
            IntegrityError: the file is damaged.
            Exception: whatever else kept it, and those that came with it, from being written.
        """
        mine = sum(1 for each in self._waiting if each.source == source) if len(self._waiting) > GROUP_MAX else 0
        if self._closed or len(self._waiting) >= WAITING_MAX or mine >= WAITING_PER_SOURCE_MAX:
            raise TransientError("more posts arrive than can be kept", hint="they are asked to come again")
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(source=source, received_at=received_at, evidence=evidence, body=body, done=done))
        self._wake.set()
        # Whoever hangs up has still posted: only the answer is given up, and what is under way is kept.
        return await done

    async def refuse(
        self, source: str, received_at: int, evidence: Evidence, reason: str, why: str, body: bytes
    ) -> None:
        """Keep the beginning of a post that was refused, among the last of its source; never raises."""
        whole = len(body) <= REFUSED_BODY_MAX
        row = (source, received_at, reason, why, body[:REFUSED_BODY_MAX], evidence.value, whole)

        def kept() -> None:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute(_REFUSE, row)
                self._connection.execute(_FORGET_REFUSED, (source, REFUSED_KEPT))

        with contextlib.suppress(sqlite3.Error, RuntimeError):
            await self._hop(kept)

    async def pull_place(self, source: str, now: int) -> tuple[bytes, int]:
        """Where the asking of a source stands (empty: at its beginning), and when it began: ``now`` for a new one."""
        return await self._guarded(lambda: pulls.began(self._connection, source, now))

    async def take(
        self, source: str, evidence: Evidence, fetched: Sequence[Fetched], place: bytes, now: int, *, done: bool
    ) -> int:
        """Keep what is new among fetched facts and how far the source was read, in one transaction; how many are new.

        Raises:
            TransientError: nothing of it is kept.
        """

        def append(new: Sequence[Fetched]) -> None:
            connection, last = self._connection, int(self._connection.execute(LAST).fetchone()[0])
            rows = enumerate(new, start=last + 1)
            connection.executemany(
                _APPEND, [(number, source, each.recorded_at, evidence.value, each.body) for number, each in rows]
            )

        def taken() -> int:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                new = pulls.keep_new(self._connection, source, fetched, now, append)
                pulls.save(self._connection, source, place, now, new, done=done)
            self._last += new
            return new

        new = await self._guarded(taken)
        if new:
            self.arrived(source).set()
        return new

    async def pull_failed(self, source: str, now: int, trouble: str) -> None:
        """Remember why a source cannot be asked now; never raises."""
        with contextlib.suppress(sqlite3.Error, RuntimeError):
            await self._hop(lambda: pulls.failed(self._connection, source, now, trouble))

    async def pull_forget(self, source: str, before: int) -> None:
        """Let go of what marks the facts that were not told again since a time."""
        await self._guarded(lambda: pulls.forget(self._connection, source, before))

    async def after(self, source: str, number: int, most: int) -> list[Kept]:
        """The posts of a source behind ``number``, in order, at most ``most``, fewer where they are large.

        Raises:
            TransientError: the file cannot be read now.
        """

        def read() -> list[Kept]:
            found, size = [], 0
            with contextlib.closing(self._connection.execute(_NEXT, (source, number, most))) as rows:
                for row in rows:
                    found.append(requeued.kept(row))
                    size += len(found[-1].body)
                    if size >= READ_BYTES_MAX:
                        break
            return found

        return await self._guarded(read)

    async def refused(self, source: str, sought: Sought, after: int, most: int) -> list[Refused]:
        """The refused posts of a source that are sought, behind a number of theirs, in order, at most ``most``."""
        return await self._guarded(lambda: requeued.refused(self._connection, source, sought, after, most))

    async def read(self, source: str, sought: Sought, after: int, upto: int, most: int) -> list[Kept]:
        """The posts of a source that are sought, with numbers behind ``after`` up to ``upto``, at most ``most``."""
        return await self._guarded(lambda: requeued.read(self._connection, source, sought, after, upto, most))

    async def requeue(self, source: str, *, posts: Sequence[int], refused: Sequence[int]) -> int:
        """Put posts and refused posts (their numbers) of a source at the end of the line; how many were there.

        Raises:
            TransientError: all of it stays as it was.
        """

        def moved() -> int:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                count = requeued.move(self._connection, source, posts=posts, refused=refused, behind=self._last)
            self._last += count
            return count

        count = await self._guarded(moved)
        if count:
            self.arrived(source).set()
        return count

    async def newest(self, source: str) -> int:
        """The highest number that a source has; 0 where there is none."""
        rows = await self._asked(_NEWEST, source)
        return int(rows[0][0])

    async def oldest(self, source: str) -> int:
        """The lowest number of what is kept of a source; 0 where nothing is."""
        rows = await self._asked(_OLDEST, source)
        return int(rows[0][0])

    async def expire(self, source: str, *, upto: int, before: int) -> int:
        """Remove the posts of a source that were read (numbers up to ``upto``) and came before a time; how many."""

        def removed() -> int:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                count = self._connection.execute(_EXPIRE, (source, upto, before)).rowcount
                self._connection.execute(_EXPIRE_REFUSED, (before,))
                return count

        return await self._guarded(removed)

    async def remove(
        self, traits: Traits, sources: Mapping[str, tuple[str, str]], read: Mapping[str, int], anew: Anew
    ) -> tuple[int, int]:
        """Take somebody out of every post, and every byte of it out of the file.

        Arguments as in `removed`; returns how many posts were changed, and how many go when they are read, because
        others are in them.

        Raises:
            TransientError: nothing of it stands, or the file is not made anew yet: ask again.
        """

        def work() -> tuple[int, int]:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                counts = removed(self._connection, traits, sources, anew=anew, read=read)
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return counts

        return await self._guarded(work)

    async def let_go(self, source: str, posts: Sequence[int], *, later: Sequence[int], upto: int) -> None:
        """Remove these posts of a source, and those that leave, to which ``later`` are added, with numbers up to one.

        Nothing is written where there is none.

        Raises:
            TransientError: all of it stays as it was.
        """

        def work() -> None:
            leaving = self._connection.execute(_LEAVING, (source, upto)).fetchall()
            if not (posts or later or leaving):
                return
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany(_LEAVES, [(source, number) for number in later])
                self._connection.executemany(_GONE, [(source, number) for number in posts])
                self._connection.execute(_LET_GO, (source, upto))
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # it holds what was removed

        await self._guarded(work)

    def arrived(self, source: str) -> asyncio.Event:
        """Set whenever a post of this source was kept; whoever waits for it clears it."""
        return self._arrived.setdefault(source, asyncio.Event())

    async def close(self) -> None:
        """Keep what was accepted, then let go of the file. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        await asyncio.wait([self._task])
        await self._hop(self._connection.close)
        self._worker.shutdown(wait=False)

    async def _work(self) -> None:
        while not (self._closed and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
                await self._keep(group)

    async def _keep(self, group: Sequence[_Waiting]) -> None:
        try:
            numbers = await self._guarded(lambda: self._committed(group))
        except Exception as error:  # noqa: BLE001 - handed to those who wait; whoever comes next is kept
            for each in group:
                if not each.done.cancelled():
                    each.done.set_exception(error)
                    each.done.exception()  # whoever hung up does not ask
            return
        for each, number in zip(group, numbers, strict=True):
            if not each.done.cancelled():
                each.done.set_result(number)
        for source in {each.source for each in group}:
            self.arrived(source).set()

    def _committed(self, group: Sequence[_Waiting]) -> range:
        numbers = range(self._last + 1, self._last + 1 + len(group))
        values: list[object] = []
        for number, each in zip(numbers, group, strict=True):
            values += (number, each.source, each.received_at, each.evidence.value, each.body)
        room = 1 << (len(group) - 1).bit_length()
        values += (None,) * ((room - len(group)) * _ROW.count("?"))
        self._connection.execute(_append_all(room), values)
        self._last = numbers[-1]
        return numbers

    async def _asked(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return await self._guarded(lambda: self._connection.execute(sql, parameters).fetchall())

    async def _guarded(self, work: Callable[[], _T]) -> _T:
        try:
            return await self._hop(work)
        except sqlite3.Error as error:
            raise told(self._path, error) from error

    async def _hop(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)


@cache
def _append_all(room: int) -> str:
    """One statement that is a transaction of its own, for up to ``room`` posts; the rows that are left over are null.

    Around each statement the interpreter's lock is let go, and had again only when the door's turn is over: a statement
    for each post would wait as often as there are posts. Room grows by powers of two, so that SQLite keeps them all
    prepared.
    """
    return _APPEND_ALL.format(rows=", ".join([_ROW] * room))
