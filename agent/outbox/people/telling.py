"""The loop of persons: tells the catalogue by what they are known, and hears what they have at other agents."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiosqlite
import structlog

from agent.clock import Clock
from agent.errors import RewardsError
from agent.ledger import delivery
from agent.ledger.centre import elsewhere
from agent.ledger.delivery import Identity
from agent.ledger.file import KeptOpen
from agent.ledger.merging import untold
from agent.ledger.merging.untold import Kin
from agent.ledger.recovery import anew
from agent.outbox.client import ANSWER_S_MAX, Client
from agent.outbox.judge import Failed
from agent.outbox.people import proven
from agent.outbox.writes import Runs
from agent.retry import Trouble
from wire.people import known
from wire.people.known import FIRST, Noted, Page, People

POLL_S = 60.0
"""How often the catalogue is told and asked, in seconds."""
PAGES_MAX = 10_000
"""Most pages that one listing may have."""
OLDER = "links nobody across agents"

log = structlog.get_logger()


class Telling:
    """Ended by `close`. ``kin`` says whether tags are told at all."""

    def __init__(self, *, client: Client, writer: Runs, data_dir: Path, clock: Clock, kin: Kin) -> None:
        self._client = client
        self._writer = writer
        self._ledger = KeptOpen(data_dir)
        self._clock = clock
        self._kin = kin
        self._one_at_a_time = asyncio.Lock()
        self._begun = False
        self._trouble = Trouble()
        self._other_keys: tuple[str, ...] | None = None

    async def run(self) -> None:
        """Tell and hear for ever."""
        while True:
            await self.drain(limit_s=ANSWER_S_MAX)
            await asyncio.sleep(POLL_S)

    async def drain(self, *, limit_s: float) -> bool:
        """Tell and hear all there is, now; False where that did not go (tried once, told).

        ``limit_s`` bounds each single question. Without enrolment there is nobody to tell.
        """
        async with self._one_at_a_time:
            try:
                failed = await self._all(limit_s)
            except RewardsError as exc:
                failed = Failed.of(exc)
            if failed is not None and self._trouble.is_news(failed.told):
                log.warning("people_trouble", trouble=failed.told)
            if failed is None and self._trouble.is_over():
                log.info("people_recovered")
            return failed is None

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._client.close()
        await self._ledger.close()

    async def _all(self, limit_s: float) -> Failed | None:
        conn = await self._ledger.connection()
        who = await delivery.identity(conn)
        if who is None:
            return None
        if not self._begun:
            await self._writer.run(untold.under(self._kin))
            self._begun = True
        while waiting := await untold.next_ones(conn, self._kin, known.TOLD_MAX // 2):
            failed = await self._tell(who, waiting) if waiting.people else None
            if failed is not None:
                return failed
            await self._writer.run(untold.told(waiting.accounts))
        return await self._hear(conn, who, limit_s)

    async def _tell(self, who: Identity, waiting: untold.Waiting) -> Failed | None:
        message = People(campus=who.campus, agent=who.agent, key=self._kin.key_name, people=waiting.people)
        noted = await proven.told(self._client, who, "/v1/people", message, Noted.parse, clock=self._clock, older=OLDER)
        if isinstance(noted, Failed):
            return noted
        if noted.other_keys != self._other_keys:
            await self._writer.run(elsewhere.keep_other_keys(noted.other_keys))
            self._other_keys = noted.other_keys
            if noted.other_keys:
                log.warning("link_keys_differ", agents=list(noted.other_keys), do="rewards-agent key link")
        return None

    async def _hear(self, conn: aiosqlite.Connection, who: Identity, limit_s: float) -> Failed | None:
        place = await elsewhere.stand(conn)
        upto, after = None, FIRST
        for _ in range(PAGES_MAX):
            page = await self._page(who, f"/v1/people/{place[0]}/{place[1]}/{after}", limit_s)
            if isinstance(page, Failed):
                return page
            if page.since == (0, 0) != place:
                # It was put back from an older copy: what it knew since is told again, and who is to be forgotten.
                await self._writer.run(anew.all_again())
                place = page.since
            whole = page.since == (0, 0)
            stuck = page.more and not page.people and (whole or page.upto == place)
            if page.since != place or stuck:
                return Failed(told="the catalogue answered with something else than was asked for")
            await self._writer.run(elsewhere.keep(page))
            upto = (upto or page.upto) if whole else page.upto
            if not page.more:
                break
            place, after = (place, page.people[-1].name) if whole else (page.upto, FIRST)
        await self._writer.run(elsewhere.heard(upto or place, self._clock.now()))
        return None

    async def _page(self, who: Identity, path: str, limit_s: float) -> Page | Failed:
        answer = await self._client.get_signed(
            path, campus=who.campus, agent=who.agent, bytes_max=known.PAGE_BYTES_MAX, limit_s=limit_s
        )
        page = proven.understood(answer, who, Page.parse, now=self._clock.now(), older=OLDER)
        return page if isinstance(page, Failed) else proven.ours(page, who)
