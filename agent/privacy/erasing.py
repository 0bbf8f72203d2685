"""`learner erase` and `learner readmit` as the agent carries them out, running or not; each step can be repeated.

First the mark: from then on nothing new is recorded. The command then cleans the copies (`copies`), and the rest is
done here: posts, the ledger in one transaction, and its free pages. What a kill leaves is finished by asking again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import structlog

from agent.clock import Clock
from agent.collectors.inbox import store
from agent.collectors.inbox.personal import Traits, removed
from agent.collectors.inbox.store import Inbox
from agent.collectors.pull import plan
from agent.errors import InvalidInputError
from agent.ledger import file
from agent.ledger import sources as standing
from agent.ledger.privacy.removing import Removal, planned
from agent.ledger.privacy.statements import BYTES_DUE, every_page_anew
from agent.ledger.record import Recorder, agreed, erased, together
from agent.ledger.record.agreed import How
from agent.ledger.record.erased import Account
from agent.ledger.writer import Writer
from agent.pipeline import Pipeline

log = structlog.get_logger()
T = TypeVar("T")


class Erasing:
    """One agent's.

    ``sources`` give (kind, site) by name, ``posting`` are those that post; ``inbox`` is None where none does.
    """

    def __init__(
        self,
        writer: Writer,
        recorder: Recorder,
        pipeline: Pipeline,
        *,
        inbox: Inbox | None,
        sources: Mapping[str, tuple[str, str]],
        data_dir: Path,
        clock: Clock,
        posting: Collection[str] = (),
    ) -> None:
        self._writer = writer
        self._recorder = recorder
        self._pipeline = pipeline
        self._inbox = inbox
        self._sources = sources
        self._posting = posting
        self._data_dir = data_dir
        self._clock = clock

    async def begin(self, *, accounts: Sequence[Sequence[str]], by: str) -> dict[str, Any]:
        """Mark the accounts ([site, LMS user id] each) of one person: from now on their acts make and earn nothing."""
        named, now = _accounts(accounts), self._clock.now()

        async def unit(connection: aiosqlite.Connection) -> int:
            marks = await erased.adopt(connection)
            await together.keep(connection, marks, named)
            count = await erased.mark(connection, marks, named, by, now)
            await self._pipeline.whose.read(connection)
            return count

        return {"accounts": len(named), "marked": await self._writer.run(unit)}

    async def finish(self, *, accounts: Sequence[Sequence[str]], words: Sequence[str], by: str) -> dict[str, Any]:
        """Take the person out of the inbox and the ledger, bytes and all; ``words`` are what posts call them.

        Raises:
            InvalidInputError: the accounts are not marked: `begin` first.
            TransientError: it is not finished (disk full, another program reads): ask again.
        """
        named = _accounts(accounts)
        await self._writer.run(self._pipeline.whose.now)
        if not all(self._pipeline.whose.erased.bars_now(one) for one in named):
            raise InvalidInputError("these accounts are not marked", hint="run: rewards-agent learner erase")
        posts, unread = await self._posts(Traits.of(named, words))
        removal = await self._writer.run(self._unit(named))
        self._recorder.people.forget()
        self._pipeline.whose.forget()
        erased.forget_remembered()
        await self._writer.run(self._pipeline.whose.read)
        await self._writer.alone(every_page_anew)
        log.info("learner_erased", by=by, acts=removal.acts, posts=posts)
        return {
            "acts": removal.acts,
            "posts": posts,
            "posts_unread": unread,
            "pseudonyms": list(removal.pseudonyms),
        }

    async def readmit(self, *, accounts: Sequence[Sequence[str]], by: str) -> dict[str, Any]:
        """Let acts from now on count again, of all accounts that were erased with these; what was stays nobody's."""
        named, now = _accounts(accounts), self._clock.now()

        async def unit(connection: aiosqlite.Connection) -> tuple[tuple[Account, ...], int]:
            marks = await erased.adopt(connection)
            whole = [one for one in await together.marked_with_each(connection, marks, named) if marks.bars_now(one)]
            await erased.lift(connection, marks, whole, by, now)
            await together.let_go(connection, marks, whole)
            await self._pipeline.whose.read(connection)
            return tuple(whole), await erased.lifted_at(connection, marks, whole)

        lifted, since = await self._writer.run(unit)
        if not lifted:
            raise InvalidInputError(f"{':'.join(named[0])} is not erased", hint="nothing is to be lifted")
        log.info("learner_readmitted", by=by, accounts=len(lifted))
        return {"accounts": [":".join(one) for one in lifted], "from": since}

    async def opt_out(self, *, accounts: Sequence[Sequence[str]], by: str) -> dict[str, Any]:
        """Let what somebody does from now on earn nothing and be shown nowhere; what they have stays."""
        named, now = _accounts(accounts), self._clock.now()

        async def change(connection: aiosqlite.Connection) -> int:
            await agreed.withdraw(connection, named, now)
            return await erased.opt_out(connection, named, by, now)

        count = await self._taking_part(change)
        if not count:
            raise InvalidInputError(f"{':'.join(named[0])} takes no part already", hint="nothing was changed")
        return {"accounts": count, "from": now}

    async def opt_in(self, *, accounts: Sequence[Sequence[str]], by: str = "", how: How = "hand") -> dict[str, Any]:
        """Let it earn from now on, by a learner's word; what was done before stays unpaid.

        From a list (``how`` is `file`) the accounts are those of many, and some may take part already.
        """
        named, now = _accounts(accounts), self._clock.now()

        async def change(connection: aiosqlite.Connection) -> tuple[int, int]:
            came = await erased.opt_in(connection, named, now)
            came += await agreed.agree(connection, named, how=how, by=by, now=now)
            return came, max(now, await erased.back_at(connection, named) if how == "hand" else 0)

        count, since = await self._taking_part(change)
        if not count and how == "hand":
            raise InvalidInputError(f"{':'.join(named[0])} takes part already", hint="nothing was changed")
        return {"accounts": count, "from": since}

    async def _taking_part(self, change: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        async def unit(connection: aiosqlite.Connection) -> T:
            count = await change(connection)
            await self._pipeline.whose.read(connection)
            return count

        return await self._writer.run(unit)

    def _unit(self, accounts: Sequence[Account]) -> Any:
        sites = [(name, site) for name, (_, site) in self._sources.items()]

        def looked() -> Removal:
            with file.reading(self._data_dir) as connection:
                return planned(connection, accounts, self._pipeline.whose.erased, sites)

        async def unit(connection: aiosqlite.Connection) -> Removal:
            # On a connection of its own, which sees what stands: nobody else can write meanwhile.
            removal = await asyncio.to_thread(looked)
            for sql, rows in removal.statements:
                if rows:
                    await connection.executemany(sql, rows)
            await connection.executemany(
                "INSERT OR IGNORE INTO forgotten (pseudonym) VALUES (?)", [(name,) for name in removal.pseudonyms]
            )
            await connection.execute("INSERT OR REPLACE INTO setting (key, value) VALUES (?, '1')", (BYTES_DUE,))
            return removal

        return unit

    async def _posts(self, traits: Traits) -> tuple[int, int]:
        """How many posts were changed, and how many go when they are read."""
        if self._inbox is not None:
            read = await asyncio.to_thread(self._read)
            return await self._inbox.remove(traits, self._sources, read, plan.anew)
        path = self._data_dir / store.FILE_NAME
        return await asyncio.to_thread(_posts_of, path, traits, self._sources) if path.exists() else (0, 0)

    def _read(self) -> dict[str, int]:
        """How far each source that posts is read."""
        with file.reading(self._data_dir) as connection:
            stand = {name: standing.load(connection, name) for name in self._posting}
        return {name: 0 if state is None else state.position for name, state in stand.items()}


def _posts_of(path: Path, traits: Traits, sources: Mapping[str, tuple[str, str]]) -> tuple[int, int]:
    """The inbox of sources that are no longer configured."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        counts = removed(connection, traits, sources, anew=plan.anew)
        connection.execute("COMMIT")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return counts


def _accounts(accounts: Sequence[Sequence[str]]) -> tuple[Account, ...]:
    found = tuple((site, user) for site, user in accounts)
    if not found or not all(site and user for site, user in found):
        raise InvalidInputError("that is no learner", hint="name the site and the LMS user id: moodle:35")
    return found
