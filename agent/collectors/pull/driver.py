"""Asking one system, round after round: what it tells goes into the inbox, with how far it was read, at once.

Whatever the system does (down, slow, refusing, nonsense) is this source's trouble alone: told, and tried again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog

from agent.arriving.spared import is_of_others
from agent.clock import Clock
from agent.collectors.inbox.leaving import Gone, nobody
from agent.collectors.inbox.pulls import Fetched
from agent.collectors.inbox.store import REFUSED_BODY_MAX, Inbox
from agent.collectors.pull import plan as plans
from agent.collectors.pull.client import Answer, Client, LaterError
from agent.collectors.pull.plan import Ask, OddAnswerError, Plan, Round, Took
from agent.collectors.systems.base import Arrival, RefusedPostError, System
from agent.collectors.systems.understood import understood
from agent.config.kinds import KindTable
from agent.errors import ConfigError, RewardsError
from agent.model import Evidence, Observation
from agent.retry import Trouble, delay_s

SLICE_FACTS_MAX = 100
"""Facts of one answer that are looked at and kept before others have their turn: an answer may hold thousands."""
LONG_BYTES = 65_536
"""A longer answer is taken apart beside everything else."""
MARKS_KEEP_S = 90 * 86_400
"""How long a fact is remembered that is not told again; the ledger knows it for ever."""
REFUSED_MAX = 10_000
"""Refused facts that are not told twice while the agent runs."""
UNREACHABLE_MAX_S = 30.0
"""`run --until-caught-up` gives up on a system that cannot be read for this long."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    """One source as configured; ``start_at`` is a time, `now` (when it was first asked) or `beginning`."""

    name: str
    site: str
    every_s: int
    start_at: Literal["now", "beginning"] | int
    body_bytes_max: int


class Pull:
    """One system that is asked. ``kinds`` gives the kind table in force, ``chance`` numbers from 0 to 1."""

    def __init__(  # noqa: PLR0913 - what a system is, where its words go, and the rim
        self,
        options: PullOptions,
        plan: Plan,
        system: System,
        *,
        inbox: Inbox,
        client: Client,
        kinds: Callable[[], KindTable],
        clock: Clock,
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        gone: Gone = nobody,
    ) -> None:
        self._options = options
        self._plan = plan
        self._system = system
        self._inbox = inbox
        self._client = client
        self._kinds = kinds
        self._clock = clock
        self._chance = chance
        self._sleep = sleep
        self._gone = gone
        self._attempts = 0
        self._refused: set[bytes] = set()
        self._trouble = Trouble()

    @property
    def name(self) -> str:
        """The source's configured name."""
        return self._options.name

    async def run(self) -> None:
        """Ask for ever: a round, then a rest; after trouble another try, later and later."""
        while True:
            error = await self._try()
            await self._sleep(self._options.every_s if error is None else self._wait_s(error))

    async def catch_up(self) -> RewardsError | None:
        """One round to its end; why it came to none, after some tries."""
        until = self._clock.running() + UNREACHABLE_MAX_S
        while (error := await self._try()) is not None:
            wait_s = self._wait_s(error)
            if isinstance(error, ConfigError) or self._clock.running() + wait_s > until:
                return error
            await self._sleep(wait_s)
        return None

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._client.close()

    async def round(self) -> None:
        """Read from where the last one stood to what there is; each answer is on disk before the next is asked for.

        Raises:
            TransientError: it does not answer, or the inbox cannot keep it; what was kept stands.
            ConfigError: an edit cures it.
            IntegrityError: the inbox is damaged.
        """
        now = self._clock.now()
        kept, began_at = await self._inbox.pull_place(self.name, now)
        this = plans.began(self._plan, plans.read(kept) if kept else self._beginning(began_at), now)
        while this.begun:
            try:
                took = await asked(self.name, self._client, self._plan, this, self._clock)
            except OddAnswerError as error:
                took = await self._odd(this, error)
            now = self._clock.now()
            this = await self._kept(this, plans.went_on(self._plan, this, took), took, now)
        await self._inbox.pull_forget(self.name, now - MARKS_KEEP_S)

    async def _kept(self, before: Round, after: Round, took: Took, now: int) -> Round:
        """Keep what an answer told, so much at a time that nobody else waits long; returns ``after``.

        With the last of it the round has gone on. What is asked again because the agent died before is recognised.
        """
        for at in range(0, max(len(took.fetched), 1), SLICE_FACTS_MAX):
            some = took.fetched[at : at + SLICE_FACTS_MAX]
            facts = [fact for each in some if (fact := await self._checked(each, before, now)) is not None]
            last = at + SLICE_FACTS_MAX >= len(took.fetched)
            place = plans.written(after if last else before)
            done = last and not after.begun
            await self._inbox.take(self.name, Evidence.bearer_token, facts, place, now, done=done)
        return after

    async def _odd(self, this: Round, error: OddAnswerError) -> Took:
        """What an odd answer comes to: nothing, and told, where it was odd often enough and others do not hang on it.

        Raises:
            OddAnswerError: it is asked again, after all others.
        """
        now, later = self._clock.now(), plans.put_off(this)
        if later is not None:
            await self._inbox.take(self.name, Evidence.bearer_token, (), plans.written(later), now, done=False)
        if later is not None or this.todo[0].needed:
            raise error
        log.warning("answer_set_aside", source=self.name, about=this.todo[0].what, told=error.message)
        await self._inbox.refuse(self.name, now, Evidence.bearer_token, "answer_odd", error.message, error.body)
        return Took()

    def _beginning(self, began_at: int) -> Round:
        at = self._options.start_at
        start = began_at if at == "now" else 0 if at == "beginning" else at
        return Round(start=start, since=start)

    async def _try(self) -> RewardsError | None:
        try:
            await self.round()
        except RewardsError as error:
            self._attempts += 1
            if self._trouble.is_news(error.message):
                log.warning("source_trouble", source=self.name, trouble=error.message, do=error.hint)
            await self._inbox.pull_failed(self.name, self._clock.now(), error.message)
            return error
        if self._trouble.is_over():
            log.info("source_recovered", source=self.name)
        self._attempts = 0
        return None

    def _wait_s(self, error: RewardsError) -> float:
        own = delay_s(self._attempts, self._chance())
        asked = error.after_s if isinstance(error, LaterError) else None
        return max(own, float(asked or 0), 1.0)

    async def _checked(self, fact: Fetched, this: Round, now: int) -> Fetched | None:
        """The fact where its system's mapping finds an act in it that is not before the start, nor of somebody erased.

        Of the erased not even a mark is renewed.
        """
        if fact.body is None:
            return fact
        arrival = Arrival(
            source=self.name,
            site=self._options.site,
            number=0,
            received_at=min(fact.recorded_at, now),
            evidence=Evidence.bearer_token,
            body=fact.body,
        )
        try:
            if len(fact.body) > self._options.body_bytes_max:
                raise RefusedPostError("too_many_values", "a fact is longer than body_bytes_max")  # noqa: TRY301
            seen = understood(self._system, arrival, self._kinds())
        except RefusedPostError as error:
            if fact.mark not in self._refused and len(self._refused) < REFUSED_MAX:
                self._refused.add(fact.mark)
                await self._inbox.refuse(self.name, now, Evidence.bearer_token, error.reason, error.message, fact.body)
            return None
        return fact if any(one.occurred_at >= this.start and self._is_somebodys(one) for one in seen) else None

    def _is_somebodys(self, seen: Observation) -> bool:
        gone = {user for user in seen.people.values() if self._gone(seen.site, user)}
        return not gone or is_of_others(seen.people, gone)


async def asked(name: str, client: Client, plan: Plan, this: Round, clock: Clock) -> Took:
    """What the round's first request comes to.

    Raises:
        TransientError: it does not answer, or not as it should.
        ConfigError: an edit cures it.
    """
    ask = this.todo[0]
    answer = await client.get(ask.target)
    if answer.is_good:
        try:
            understanding = partial(plan.took, ask, answer, this, clock.now())
            long = len(answer.body) > LONG_BYTES
            return await asyncio.to_thread(understanding) if long else understanding()
        except OddAnswerError as error:
            error.body = answer.body[:REFUSED_BODY_MAX]
            raise
    if ask.needed:
        raise _refused(name, ask, answer)
    # Somebody or something was deleted, or is not ours to see.
    log.info("answer_refused", source=name, about=ask.what, status=answer.status)
    return Took()


def _refused(name: str, ask: Ask, answer: Answer) -> ConfigError:
    return ConfigError(
        f"{name}: it answers {answer.status} when it is asked about {ask.what}",
        hint="is url that of its API, and may this credential read it?",
    )
