"""One callback: a reader of the ledger with a position of its own. In order, at least once, never in anybody's way."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import structlog

from agent import retry
from agent.clock import Clock
from agent.config.tables.callback import CallbackSettings
from agent.errors import TransientError
from agent.ledger import delivery, file
from agent.ledger.stream import items, positions
from agent.ledger.stream.items import Position
from agent.outbox.callbacks.message import From, Known, Message, level_totals, messages
from agent.outbox.callbacks.post import ANSWER_S_MAX, Post, RefusedError
from agent.outbox.writes import Runs
from agent.retry import Trouble

POLL_S = 1.0
"""How often the ledger is looked at for something new, in seconds."""
WAIT_S_MAX = 60.0
"""Longest sleep in one piece, in seconds."""
KEEP_EVERY_S = 1.0
"""How often the position is written while messages are taken, in seconds: what a crash makes us send once more."""
UNWANTED_MAX = 10_000
"""Entries or decisions nobody is told of that are gone past before the position is written."""

log = structlog.get_logger()


class Callback:
    """Tells one receiver. ``known`` is asked for names once per page; ``jitter`` gives numbers in [0, 1)."""

    def __init__(
        self,
        callback: CallbackSettings,
        *,
        post: Post,
        writer: Runs,
        data_dir: Path,
        sender: From,
        known: Callable[[], Known],
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.settings = callback
        self._post = post
        self._writer = writer
        self._data_dir = data_dir
        self._sender = sender
        self._known = known
        self._clock = clock
        self._jitter = jitter
        self._at: Position | None = None
        self._kept: Position | None = None
        self._kept_at = 0.0
        self._trouble = Trouble()
        self._told_something = False
        self._partly: set[str] = set()
        self._one_at_a_time = asyncio.Lock()

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.settings.name

    async def begin(self) -> None:
        """Find its place; a new one begins where the ledger stands now, or at its beginning."""
        stands = await asyncio.to_thread(self._stands)
        if stands is None:
            at = Position(0, 0) if self.settings.start_at == "beginning" else await asyncio.to_thread(self._newest)
            await self._writer.run(positions.move(self.name, at, ok_at=None))
        else:
            at = stands.at
        self._at = self._kept = at

    async def run(self) -> None:
        """Tell for ever; waits where there is nothing to tell, backs off where nothing is taken."""
        while True:
            wait = await asyncio.to_thread(self._wait_s)
            if wait > 0:
                await asyncio.sleep(min(wait, WAIT_S_MAX))
            elif not await self.step():
                await asyncio.sleep(POLL_S)

    async def drain(self, *, limit_s: float) -> bool:
        """Tell all there is, now; False where the receiver does not take it. ``limit_s`` bounds each message."""
        while await self.step(limit_s=limit_s):
            pass
        return not self._trouble.said

    async def step(self, *, limit_s: float = ANSWER_S_MAX) -> bool:
        """One page, whatever the backoff says; False where there was nothing more to tell, or it was not taken."""
        async with self._one_at_a_time:
            if self._at is None:
                await self.begin()
            found, end = await asyncio.to_thread(self._page)
            known = self._known()
            for item in found:
                for message in messages(item, self.settings, known, self._sender):
                    if not await self._sent(message, limit_s):
                        return False
                self._at = item.at
                self._partly.clear()
                await self._keep_now_and_then()
            self._at = end
            # Of what was not wanted nothing is written until there is much of it.
            if self._told_something or self._far():
                await self._keep(ok=self._told_something)
            return bool(found)

    async def skip(self) -> str:
        """Leave out the one message that is not taken; returns its id, empty where nothing waits."""
        async with self._one_at_a_time:
            if self._at is None:
                await self.begin()
            found, end = await asyncio.to_thread(self._page)
            known = self._known()
            for item in found:
                for message in messages(item, self.settings, known, self._sender):
                    if message.id in self._partly:
                        continue
                    # What else this item says is left out with it: the position lies between items.
                    self._at = item.at
                    await self._keep(ok=False)
                    self._trouble.is_over()
                    self._partly.clear()
                    return message.id
            self._at = end
            return ""

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._post.close()

    async def _sent(self, message: Message, limit_s: float) -> bool:
        if message.id in self._partly:
            return True
        try:
            await self._post.send(message, now=self._clock.now(), limit_s=limit_s)
        except RefusedError as exc:
            await self._failed(exc)
            return False
        self._partly.add(message.id)
        self._told_something = True
        if self._trouble.is_over():
            log.info("callback_recovered", callback=self.name)
        return True

    async def _failed(self, exc: RefusedError) -> None:
        # Where it stands goes first: that also ends the count of attempts where something was taken since.
        if self._told_something:
            await self._keep(ok=True)
        stands = await asyncio.to_thread(self._stands)
        attempts = stands.attempts + 1 if stands is not None else 1
        due = retry.next_try_at(self._clock.now(), attempts, self._jitter(), exc.retry_after)
        name = positions.reader_name(self.name)
        await self._writer.run(delivery.note_failure(exc.message, next_try_at=due, name=name))
        if self._trouble.is_news(exc.message):
            log.warning("callback_trouble", callback=self.name, trouble=exc.message, do=exc.hint)

    async def _keep_now_and_then(self) -> None:
        if self._told_something and self._clock.running() - self._kept_at >= KEEP_EVERY_S:
            await self._keep(ok=True)

    def _far(self) -> bool:
        at, kept = self._at or Position(0, 0), self._kept or Position(0, 0)
        return at.seq - kept.seq > UNWANTED_MAX or at.decision_no - kept.decision_no > UNWANTED_MAX

    async def _keep(self, *, ok: bool) -> None:
        if self._at is not None and (ok or self._at != self._kept):
            await self._writer.run(positions.move(self.name, self._at, ok_at=self._clock.now() if ok else None))
        self._kept, self._kept_at, self._told_something = self._at, self._clock.running(), False

    def _page(self) -> tuple[list[items.Item], Position]:
        with closing(file.open_for_reading(self._data_dir)) as connection:
            try:
                levels = level_totals(self._known()) if "level" in self.settings.on else {}
                return items.after(connection, self._at or Position(0, 0), levels=levels)
            except sqlite3.Error as exc:
                raise TransientError("the ledger cannot be read now", hint=str(exc)) from exc

    def _stands(self) -> positions.Receiver | None:
        with file.reading(self._data_dir) as connection:
            return positions.read(connection, self.name)

    def _newest(self) -> Position:
        with file.reading(self._data_dir) as connection:
            return items.newest(connection)

    def _wait_s(self) -> int:
        stands = self._stands()
        return 0 if stands is None else retry.left_s(stands.next_try_at, self._clock.now())
