"""The loop of names: tells the catalogue what learners are called where a campus lets that leave it, or takes it back.

It goes beside the delivery, which never waits for it. The books at both ends have pseudonyms alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import structlog

from agent.clock import Clock
from agent.errors import RewardsError
from agent.ledger import delivery
from agent.ledger.centre import called
from agent.ledger.centre.called import Due, Intent, Standing
from agent.ledger.delivery import Identity
from agent.ledger.file import KeptOpen
from agent.outbox.client import ANSWER_S_MAX, Client
from agent.outbox.judge import Failed
from agent.outbox.people import proven
from agent.outbox.people.calling import Plan, planned
from agent.outbox.people.looking import Tells, looked_up
from agent.outbox.writes import Runs
from agent.retry import Trouble
from wire.people.names import NAMES_MAX, PATH, SAID_BY, Name, Named, Names

POLL_S = 60.0
"""How often it is looked whether somebody is due, in seconds."""
PAGE_PAUSE_S = 1.0
"""Between two pages, in seconds: the LMS has better things to do."""
LOOK_S = 86_400
"""After how long somebody is looked up again, in seconds."""
AGAIN_S = 900
"""After how long it is tried again where the LMS did not answer, and a catalogue is asked for its register."""
OLDER = "keeps no names: none is told"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What names are, of `wire.people.names.SAID_BY`, and whether learners are ``asked`` before they take part.

    Without ``said_by`` pseudonyms alone leave. ``tellers`` are the sites that can be asked, by name.
    """

    said_by: str = ""
    asked: bool = False
    tellers: Mapping[str, Tells]

    @property
    def told_as(self) -> str:
        """What changes who has which name."""
        return f"{self.said_by} opt-in" if self.asked else self.said_by


class Naming:
    """Ended by `close`."""

    def __init__(self, *, client: Client, writer: Runs, data_dir: Path, clock: Clock, calls: Calls) -> None:
        self._client = client
        self._writer = writer
        self._ledger = KeptOpen(data_dir)
        self._clock = clock
        self._calls = calls
        self._one_at_a_time = asyncio.Lock()
        self._asked_at: float | None = None
        self._trouble = Trouble()
        self._silent: set[str] = set()

    async def run(self) -> None:
        """Tell for ever; where nothing is told and nothing is left to take back, it ends."""
        while True:
            if await self.drain(pause_s=PAGE_PAUSE_S) and await self._is_over():
                return
            await asyncio.sleep(POLL_S)

    async def drain(self, *, limit_s: float = ANSWER_S_MAX, pause_s: float = 0.0) -> bool:
        """Tell or take back what there is, now; False where that did not go (tried once, told).

        ``limit_s`` bounds each question to the LMS, and all of it where nothing pauses between pages. Without enrolment
        there is nobody to tell.
        """
        async with self._one_at_a_time:
            try:
                failed = await self._all(limit_s, pause_s)
            except RewardsError as exc:
                failed = Failed.of(exc)
            if failed is not None and self._trouble.is_news(failed.told):
                log.warning("names_trouble", trouble=failed.told)
            if failed is None and self._trouble.is_over():
                log.info("names_recovered")
            return failed is None

    async def _is_over(self) -> bool:
        return not self._calls.said_by and not (await called.standing(await self._ledger.connection())).told_as

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._client.close()
        await self._ledger.close()

    async def _all(self, limit_s: float, pause_s: float) -> Failed | None:
        conn = await self._ledger.connection()
        who, stands = await delivery.identity(conn), await called.standing(conn)
        if who is None:
            return None
        if stands.told_as and (stands.told_as == called.UNKNOWN or not self._calls.said_by):
            failed = await self._withdraw(conn, who, stands)
            if failed is not None:
                return failed
        if not self._calls.said_by:
            return None
        await self._admit(conn)
        if stands.told_as != self._calls.told_as:
            await self._writer.run(called.begin(self._calls.told_as))
        return await self._pages(conn, who, limit_s, pause_s)

    async def _pages(self, conn: aiosqlite.Connection, who: Identity, limit_s: float, pause_s: float) -> Failed | None:
        begun = self._clock.running()
        if self._asked_at is None or begun - self._asked_at >= AGAIN_S:
            # First the catalogue, so that nobody is looked up, and no name sent, for one that keeps none.
            failed = await self._send(who, ())
            if failed is not None:
                return failed
            self._asked_at = begun
        while due := await self._due(conn):
            failed = await self._page(conn, who, due, limit_s)
            if failed is not None:
                return failed
            if not pause_s and self._clock.running() - begun >= limit_s:
                return None  # the rest goes with the next round: somebody waits
            await asyncio.sleep(pause_s)
        return None

    async def _due(self, conn: aiosqlite.Connection) -> list[Due]:
        now = self._clock.now()
        return await called.due(conn, before=now - LOOK_S, now=now, asked=self._calls.asked, most=NAMES_MAX)

    async def _page(
        self, conn: aiosqlite.Connection, who: Identity, due: Sequence[Due], limit_s: float
    ) -> Failed | None:
        said_by, tellers = self._calls.said_by, self._calls.tellers
        found, unknown = await looked_up(conn, due, tellers, said_by=said_by, limit_s=limit_s, trouble=self._heard)
        plan = await self._plan(conn, due, found, unknown)
        now = self._clock.now()
        await self._writer.run(called.looked(plan.same, now))
        await self._writer.run(called.looked(plan.later, now - LOOK_S + AGAIN_S))
        if not plan.tell:
            return None
        await self._writer.run(called.intend(plan.tell, self._calls.said_by))
        still = await called.still(conn, plan.tell)
        failed = await self._send(who, still)
        if failed is None:
            await self._writer.run(called.told(still, self._clock.now()))
        return failed

    async def _plan(
        self, conn: aiosqlite.Connection, due: Sequence[Due], found: Mapping[int, str], unknown: set[int]
    ) -> Plan:
        after = (await called.standing(conn)).withdrawn_at
        return planned(due, found, unknown, said_by=self._calls.said_by, now=self._clock.now(), after=after)

    async def _admit(self, conn: aiosqlite.Connection) -> None:
        """Make everybody known of whom the catalogue has an entry."""
        acked = (await delivery.reader(conn)).acked_seq
        upto = (await called.standing(conn)).upto
        while upto < acked:
            numbers, upto = await called.having(conn, upto, acked)
            await self._writer.run(called.admit(numbers, upto))

    async def _withdraw(self, conn: aiosqlite.Connection, who: Identity, stands: Standing) -> Failed | None:
        """Take back all that was told; a catalogue that knows no names has none."""
        at = max(self._clock.now(), await called.newest_told(conn), stands.withdrawn_at)
        named = await self._posted(who, Names(campus=who.campus, agent=who.agent, said_by=SAID_BY[0], withdrawn=at))
        if isinstance(named, Failed) and OLDER not in named.told:
            return named
        await self._writer.run(called.withdrawn(at))
        return None

    async def _send(self, who: Identity, intents: Sequence[Intent]) -> Failed | None:
        names = tuple(Name(learner=one.due.pseudonym, name=one.name, told_at=one.told_at) for one in intents)
        known = (await called.standing(await self._ledger.connection())).register
        said_by = self._calls.said_by
        message = Names(campus=who.campus, agent=who.agent, said_by=said_by, register=known, names=names)
        named = await self._posted(who, message)
        if isinstance(named, Failed):
            return named
        if named.register != known:
            # Another one has nothing of what was told, nor takes what is for the one before: it was put back, or moved.
            await self._writer.run(called.adopt(named.register))
            if intents:
                return Failed(told="the catalogue has another register of names than a moment ago")
        return None

    async def _posted(self, who: Identity, message: Names) -> Named | Failed:
        named = await proven.told(self._client, who, PATH, message, Named.parse, clock=self._clock, older=OLDER)
        return named if isinstance(named, Failed) else proven.ours(named, who)

    def _heard(self, site: str, why: str) -> None:
        """What a site says, or why it says nothing: told once."""
        if why and site not in self._silent:
            log.warning("names_unknown", site=site, why=why)
            self._silent.add(site)
        elif not why:
            self._silent.discard(site)


async def preview(conn: aiosqlite.Connection, calls: Calls, *, upto: int, now: int, most: int) -> Sequence[Intent]:
    """What is to be told next, of at most so many people: those who are due, and who come with entries until ``upto``.

    The LMS is asked; nothing is written.
    """
    stands = await called.standing(conn)
    before = now if stands.told_as != calls.told_as else now - LOOK_S
    due = await called.due(conn, before=before, now=now, asked=calls.asked, most=most)
    due += await called.coming(conn, after=stands.upto, upto=upto, asked=calls.asked, most=most - len(due))
    found, unknown = await looked_up(conn, due, calls.tellers, said_by=calls.said_by, limit_s=ANSWER_S_MAX)
    return planned(due, found, unknown, said_by=calls.said_by, now=now, after=stands.withdrawn_at).tell
