"""The loop that hears what the catalogue does to wallets: ask, verify, mirror; one page at a time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiosqlite
import structlog

from agent import retry
from agent.clock import Clock
from agent.errors import ConfigError, RewardsError, TransientError
from agent.ledger import delivery, file
from agent.ledger.centre import mirror
from agent.ledger.centre.mirror import Kept, Stand
from agent.ledger.delivery import Identity
from agent.ledger.recovery import anew
from agent.outbox import succession
from agent.outbox.client import ANSWER_S_MAX, Client
from agent.outbox.judge import Failed
from agent.outbox.statement import judging
from agent.outbox.writes import Runs
from agent.retry import Trouble
from wire import statement
from wire.keys import fingerprint

POLL_S = 60.0
"""How often the catalogue is asked what it did, in seconds."""
WAIT_S_MAX = 60.0
"""Longest sleep in one piece, in seconds."""

log = structlog.get_logger()


class Feed:
    """Mirrors the catalogue's statement. Ended by `close`; ``jitter`` gives numbers in [0, 1)."""

    def __init__(
        self,
        *,
        writer: Runs,
        data_dir: Path,
        client: Client,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._writer = writer
        self._data_dir = data_dir
        self._ledger = file.KeptOpen(data_dir)
        self._client = client
        self._clock = clock
        self._jitter = jitter
        self._one_at_a_time = asyncio.Lock()
        self._trouble = Trouble()

    async def run(self) -> None:
        """Ask for ever; backs off where nothing comes, also after a restart."""
        while True:
            stand = await mirror.stand(await self._ledger.connection())
            due = retry.left_s(stand.next_try_at, self._clock.now())
            if due > 0:
                await asyncio.sleep(min(due, WAIT_S_MAX))
                continue
            try:
                await self.drain(limit_s=ANSWER_S_MAX)
            except RewardsError as exc:
                await self._failed(await mirror.stand(await self._ledger.connection()), Failed.of(exc))
            await asyncio.sleep(POLL_S)

    async def drain(self, *, limit_s: float) -> bool:
        """Hear all there is, now; False where nothing came that could be believed (tried once, told).

        ``limit_s`` bounds each single question. Without enrolment there is nothing to hear.
        """
        async with self._one_at_a_time:
            while (more := await self._step(limit_s)) is True:
                pass
            return more is not None

    def status(self) -> Mapping[str, Any]:
        """How far the catalogue was heard, for people."""
        with contextlib.closing(file.open_for_reading(self._data_dir)) as connection:
            return mirror.told(connection)

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._client.close()
        await self._ledger.close()

    async def _step(self, limit_s: float) -> bool | None:
        """One page: whether there is more to hear, or None where nothing came."""
        conn = await self._ledger.connection()
        who = await delivery.identity(conn)
        if who is None:
            return False
        stand = await mirror.stand(conn)
        meant = await self._asked(who, stand.upto, stand.head, limit_s)
        if isinstance(meant, Kept) and meant.page.header.why:
            meant = await self._where_it_agrees(conn, who, meant, limit_s)
        if isinstance(meant, Failed):
            await self._failed(stand, meant)
            return None
        header = meant.page.header
        await self._writer.run(mirror.keep(meant, now=self._clock.now()))
        if self._trouble.is_over():
            log.info("statement_recovered")
        return header.more

    async def _where_it_agrees(
        self, conn: aiosqlite.Connection, who: Identity, refused: Kept, limit_s: float
    ) -> Kept | Failed:
        """The catalogue lost what it had told: the page after the newest place that it still knows.

        The pages behind that are set aside, and what they told and nobody tells any more is shown to people.
        """
        ends = await mirror.ends(conn)
        step = 1
        at = 0
        while True:
            end = ends[min(at, len(ends) - 1)]
            found = await self._asked(who, end.upto, end.head, limit_s)
            if isinstance(found, Failed):
                return found
            if not found.page.header.why:
                # What is told by itself is told again, and who is to be forgotten.
                again = anew.all_again()
                await self._writer.run(delivery.both(mirror.back_to(end, now=self._clock.now()), again))
                log.warning("statement_set_back", upto=end.upto, why=refused.page.header.why, do=_SET_BACK)
                return found
            if end == mirror.BEGINNING:
                return Failed(told="the catalogue does not agree to any place of its statement")
            at += step
            step *= 2

    async def _asked(self, who: Identity, after: int, head: bytes, limit_s: float) -> Kept | Failed:
        found = await self._page(who, after, head, limit_s)
        if isinstance(found, Failed) and found.forged:
            # It may be signed by its next key: that one is believed from now on.
            now = await succession.followed(self._client, who)
            if now.catalogue_public != who.catalogue_public:
                await self._writer.run(delivery.keep_keys(now.catalogue_keys))
                log.warning("catalogue_key_changed", fingerprint=fingerprint(now.catalogue_public))
                return await self._page(now, after, head, limit_s)
        return found

    async def _page(self, who: Identity, after: int, head: bytes, limit_s: float) -> Kept | Failed:
        try:
            answer = await self._client.get_signed(
                f"/v1/statement/{after}/{head.hex()}",
                campus=who.campus,
                agent=who.agent,
                bytes_max=statement.PAGE_BYTES_MAX,
                limit_s=limit_s,
            )
        except (TransientError, ConfigError) as exc:
            return Failed.of(exc)
        return judging.page_answer(answer, who, after=after, head=head, now=self._clock.now())

    async def _failed(self, stand: Stand, failed: Failed) -> None:
        due = retry.next_try_at(self._clock.now(), stand.attempts + 1, self._jitter(), failed.retry_after)
        await self._writer.run(mirror.note_failure(failed.told, next_try_at=due))
        if self._trouble.is_news(failed.told):
            log.warning("statement_trouble", trouble=failed.told)


_SET_BACK = "the catalogue was put back from an older copy: see what it lost with rewards-agent sync lost"
