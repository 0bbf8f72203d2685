"""Who decides on campus about people and what they sent: reviews what waits; who takes no part, and who is erased."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from random import Random

from agent.collectors.inbox.personal import Traits
from agent.config.settings import load_settings
from agent.errors import RewardsError
from agent.ledger import file
from agent.ledger.backup import taking
from agent.ledger.record import erased
from agent.privacy import copies
from agent.wiring.people.erasing import sites_of
from sim import kin
from sim.called import account, address, learner_of
from sim.look import Seen, look
from sim.moodle import BEGAN, LEARNERS
from sim.world import World


class Office:
    """Does what it is asked for at the running agent, which may be dead, die of it or refuse."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._chance = chance
        self._asked: dict[str, tuple[str, ...]] = {}
        """Who wanted to be erased, with all accounts."""
        self._done: set[str] = set()
        """Of whom an erasure came to its end."""
        self._back: set[str] = set()
        """Who wants to take part again afterwards."""
        self._parting: dict[str, tuple[str, ...]] = {}
        """Who wants no part, with all accounts."""
        self._returning: set[str] = set()
        """Who wants a part again afterwards."""
        self._parted: set[str] = set()
        """Of whom a ledger said that they take no part."""

    async def decide(self) -> None:
        """Something that is on the desk now."""
        asked = self._chance.random()
        if asked < 0.3:
            self._ask_to_go()
        elif asked < 0.6:
            self._ask_to_part()
        if (seen := look(self._world.agent.home)) is not None:
            await self.work(seen)

    async def work(self, seen: Seen) -> None:
        """Do what waits: essays are reviewed, and who asked is erased or readmitted, until the ledger says so."""
        await self.review(seen.reviews)
        self._world.note_parted(seen.marks)
        for who, accounts in self._parting.items():
            await self._part(who, accounts, seen)
        for who, accounts in self._asked.items():
            spans = [seen.marks.span(_split(account)) for account in accounts]
            if None in spans or who not in self._done:
                await self._erase(who, accounts)
            elif who in self._back:
                barred = [
                    one for one, span in zip(accounts, spans, strict=True) if span is not None and span[1] is None
                ]
                if barred:
                    await self._readmit(barred[-1], accounts)

    def is_idle(self, seen: Seen) -> bool:
        """Whether the ledger says of everybody what they asked for."""
        for who, accounts in self._parting.items():
            if self._is_out(accounts, seen) is not self._stays_out(who) or self._is_left_out(who, accounts, seen):
                return False
        spans = {who: [seen.marks.span(_split(one)) for one in accounts] for who, accounts in self._asked.items()}
        return all(
            who in self._done
            and all(span is not None and (who in self._back) is (span[1] is not None) for span in found)
            for who, found in spans.items()
        )

    def _somebody(self) -> tuple[str, ...]:
        """All accounts of one learner."""
        user = self._chance.choice(LEARNERS)
        sites = ("moodle", "forms") if self._world.linked else (self._chance.choice(("moodle", "moodle", "forms")),)
        return tuple(account(site, user) for site in sites)

    def _ask_to_part(self) -> None:
        accounts = self._somebody()
        if accounts[0] not in {*self._asked, *self._parting}:
            self._world.trace.fault("learner opted out", accounts[0])
            self._parting[accounts[0]] = accounts
            if self._chance.random() < 0.5:
                self._returning.add(accounts[0])

    def _stays_out(self, who: str) -> bool:
        return not (who in self._returning and who in self._parted)

    @staticmethod
    def _is_out(accounts: Iterable[str], seen: Seen) -> bool:
        """Whether the ledger says that these take no part now."""
        marks, named = seen.marks, map(_split, accounts)
        return all(
            any(until is None for _, until in (*marks.out.get(one, ()), *marks.deleted.get(one, ()))) for one in named
        )

    def _is_left_out(self, who: str, accounts: Iterable[str], seen: Seen) -> bool:
        """Whether a ledger that came back forgot of an account that somebody takes part again."""
        spans = (span for one in accounts for span in seen.marks.out.get(_split(one), ()))
        return not self._stays_out(who) and any(until is None for _, until in spans)

    async def _part(self, who: str, accounts: tuple[str, ...], seen: Seen) -> None:
        """`rewards-agent learner opt-out`, and `opt-in` once the ledger has shown it."""
        listed = [list(_split(one)) for one in accounts]
        if self._is_out(accounts, seen) or self._is_left_out(who, accounts, seen):
            self._parted.add(who)
            if who in self._returning:
                self._world.trace.fault("learner opted in", who)
                await self._world.agent.typed("learner.opt-in", accounts=listed, by="office")
                self._world.returned_at |= dict.fromkeys(accounts, self._now() + 1)
        elif self._stays_out(who):
            await self._world.agent.typed("learner.opt-out", accounts=listed, by="office")
            self._world.parted_at |= dict.fromkeys(accounts, self._now())

    def _ask_to_go(self) -> None:
        accounts = self._somebody()
        if accounts[0] not in {*self._asked, *self._parting}:
            self._world.trace.fault("learner erased", accounts[0])
            self._asked[accounts[0]] = accounts
            self._world.erased |= dict.fromkeys(accounts, 0)
            if self._chance.random() < 0.5:
                self._back.add(accounts[0])

    async def _erase(self, who: str, accounts: tuple[str, ...]) -> None:
        """`rewards-agent learner erase`, which marks, writes every copy again, then the posts and the ledger."""
        agent, named = self._world.agent, tuple(map(_split, accounts))
        data_dir, listed = agent.home / "data", [list(one) for one in named]
        words = (address(learner_of(accounts[0])),)
        kin.note(self._world)
        with suppress(RewardsError), taking.alone(data_dir):
            self._world.sold.apart = True
            if await agent.typed("learner.erase.begin", accounts=listed, by="office") is None:
                return
            with file.reading(data_dir) as connection:
                marks, rows = erased.of_ledger(connection), erased.rows_of(connection)
            wanted = copies.Wanted(
                accounts=named,
                erased=marks,
                rows=rows,
                traits=Traits.of(named, words),
                sources=sites_of(load_settings(agent.home / "config.toml")),
            )
            left = [f"{path.name}: {told}" for path, told in copies.cleaned(data_dir, wanted)]
            done = await agent.typed("learner.erase.finish", accounts=listed, words=words, by="office")
            if done is not None:
                self._done.add(who)
                told = ", ".join(one for one in left if not one.endswith(("rewritten", "clean"))) or "nothing"
                self._world.trace.say(f"{who} is erased: {done['acts']} acts, {done['posts']} posts, left: {told}")

    async def _readmit(self, named: str, accounts: tuple[str, ...]) -> None:
        """`rewards-agent learner readmit` of one account, which readmits the person.

        It is from now on, and what is done in this moment may count or not.
        """
        world = self._world
        self._world.trace.fault("learner readmitted", named)
        await world.agent.typed("learner.readmit", accounts=[list(_split(named))], by="office")
        world.erased |= dict.fromkeys(accounts, self._now())

    def _now(self) -> int:
        """Seconds UTC, by a right clock."""
        return int(BEGAN + self._world.loop.time())

    async def review(self, waiting: Iterable[tuple[int, str, int]]) -> None:
        """`rewards-agent review`: two reviewers say the same of each, one after the other or both at once.

        Essays are good or not; what went over a budget is approved.
        """
        good = {form.number for form in self._world.forms if form.good}
        for verdict in (True, False):
            decisions = [number for number, rule, form in waiting if (rule != "essay" or form in good) is verdict]
            if decisions:
                await self._said(decisions, "approve" if verdict else "reject")

    async def _said(self, decisions: list[int], verdict: str) -> None:
        agent, how = self._world.agent, self._chance.choice(("in turn", "at once", "as a file"))
        self._world.trace.fault("reviewed twice", f"{verdict} {how}: {decisions}")
        told = [{"decision": number, "verdict": verdict, "reason": "read"} for number in decisions]

        async def said(who: int) -> None:
            if how == "as a file":
                await agent.typed("review.apply", verdicts=told, by=f"reviewer {who}")
            else:
                await agent.typed(f"review.{verdict}", decisions=decisions, reason="read", by=f"reviewer {who}")

        if how == "at once":
            await asyncio.gather(said(1), said(2))
        else:
            await said(1)
            await said(2)


def _split(account: str) -> tuple[str, str]:
    site, _, user = account.partition(":")
    return site, user
