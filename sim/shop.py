"""Learners who spend: at the campus's counter, whose wishes cross the network, and at the centre's own desk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any, NamedTuple

from agent.errors import RewardsError
from catalogue.errors import RefusedError
from catalogue.redemption import pool, voucher
from catalogue.redemption.checks import Wish
from catalogue.redemption.pool import Code
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.store import Store
from sim.moodle import LEARNERS
from sim.sales import CODED, PRICES, REWARDS
from sim.world import AGENT, CAMPUS, World

CODES = 5
"""How many codes there are at first."""
BY = "operator ann"


class Asked(NamedTuple):
    """A wish that somebody brought to the centre's desk, which may be brought again."""

    learner: str
    reward: str
    key: str


async def furnish(store: Store, safe: Vault, *, now: int) -> None:
    """Put everything on the shelf, and codes into the pool."""
    async with store.writing() as conn:
        for fields in REWARDS:
            made = shelf.described(fields)
            await shelf.put(conn, CAMPUS, made, now=now)
            await shelf.approve(conn, CAMPUS, CAMPUS, made.id, approved=True, now=now)
    await stock(store, safe, range(CODES), now=now)


async def stock(store: Store, safe: Vault, numbers: range, *, now: int) -> None:
    """`rewards-catalogue codes import`."""
    codes = [Code(f"BOOK-{number}", None) for number in numbers]
    async with store.writing() as conn:
        await pool.add(conn, safe, CAMPUS, CAMPUS, "book", codes, now=now)


class Shop:
    """Draws who wants what, and where. What learners were told is in ``world.sold``."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._chance = chance
        self._asked: list[Asked] = []
        self._open: list[tuple[str, str, str]] = []
        """(learner, reward, key) of wishes whose answer never came to the campus's counter."""
        self._ahead: dict[str, int] = {}
        """The books under which a voucher was first asked for that is made beforehand, by its key."""
        self._wanted: list[tuple[str, str]] = []
        """(learner, reward) of those for whom one was, and who come for it."""

    async def once(self) -> None:
        """Somebody wants something, or their points back."""
        kind = self._chance.random()
        if kind < 0.4:
            await self._at_the_counter()
        elif kind < 0.55:
            await self._beforehand()
        elif kind < 0.8:
            await self._at_the_desk()
        else:
            await self._back()

    async def _beforehand(self) -> None:
        """`rewards-agent allowance draw`, and now and then `allowance return` of all that is kept."""
        if self._chance.random() < 0.3:
            told = await self._typed("allowance.return")
            self._world.trace.say(f"counter: what is kept goes back: {told.get('returning', told.get('state'))}")
            return
        books = self._world.sold.books
        learner, reward = self._learner(), self._reward()
        told = await self._typed("allowance.draw", learner=learner, reward=reward, by="counter")
        if "key" in told:
            self._world.trace.fault("voucher drawn beforehand", told["state"])
            self._ahead[told["key"]] = books
            self._wanted.append((learner, reward))
        self._say("counter", f"a {reward} for {learner} beforehand", told)

    async def _at_the_counter(self) -> None:
        """`rewards-agent redeem`, also with the key of a wish of which nobody knows; what is kept is given out."""
        again = self._chance.random() < 0.5 and bool(self._open)
        books = self._world.sold.books
        learner, reward, key = self._learner(), self._reward(), ""
        if again:
            learner, reward, key = self._chance.choice(self._open)
        elif self._wanted and self._chance.random() < 0.5:
            learner, reward = self._wanted.pop(0)
        told = await self._typed("redeem", learner=learner, reward=reward, key=key, by="counter")
        if told.get("state") == "granted":
            books = self._ahead.get(told["key"], books)
            code = told["code"] or (told["token"] if reward in CODED else "")
            self._world.sold.grant(f"{AGENT}:{told['key']}", told["redemption"], code, books=books)
        elif told.get("state") == "unknown" and not again:
            self._open.append((learner, reward, told["key"]))
        self._say("counter", f"{learner} wants a {reward}{' again' if again else ''}", told)

    async def _typed(self, command: str, **words: str) -> Mapping[str, Any]:
        agent = self._world.agent
        if not (agent.runs and command in agent.commands):
            return {"state": "nobody there"}
        try:
            told = await agent.inside(partial(agent.commands[command], **words))
        except RewardsError as exc:
            return {"state": exc.message}
        return told or {"state": "killed"}

    async def _at_the_desk(self) -> None:
        """`rewards-catalogue redeem`, also under a key that was used before."""
        again = self._chance.random() < 0.3 and bool(self._asked)
        pick, reward, key = self._chance.random(), self._reward(), f"desk-{len(self._asked)}"
        before = self._chance.choice(self._asked) if again else None

        async def redeemed() -> Mapping[str, Any]:
            desk, now = self._world.catalogue.desk, self._world.clocks["catalogue"].now()
            asked = before
            if asked is None:
                async with desk.store.reading() as conn:
                    names = (await conn.exec_driver_sql("SELECT learner FROM wallet ORDER BY learner")).scalars().all()
                if not names:
                    return {"state": "nobody has anything"}
                asked = Asked(names[int(pick * len(names))], reward, key)
                self._asked.append(asked)
            try:
                made = await desk.redeem(Wish(campus=CAMPUS, **asked._asdict()), now=now, by=BY)
            except RefusedError as exc:
                return {"state": exc.message}
            return voucher.shown(desk, made)

        books = self._world.sold.books
        told = await self._at_the_centre(redeemed)
        if "redemption" in told:
            self._world.sold.grant(told["key"], told["redemption"], told["code"], books=books)
        self._say("desk", f"{before.key if before else key}{' again' if again else ''}", told)

    async def _back(self) -> None:
        """`rewards-catalogue redemption refund`, also of what was refunded before."""
        names = sorted({*self._world.sold.granted.values()})
        if not names:
            return
        name = self._chance.choice(names)

        async def refunded() -> Mapping[str, Any]:
            desk, now = self._world.catalogue.desk, self._world.clocks["catalogue"].now()
            try:
                made = await desk.refund(CAMPUS, name, now=now, by=BY, why="it broke")
            except RefusedError as exc:
                return {"state": exc.message}
            self._world.sold.refunded.add(name)
            return voucher.public(made)

        self._say("desk", f"{name} comes back", await self._at_the_centre(refunded))

    async def _at_the_centre(self, work: Any) -> Mapping[str, Any]:
        if not self._world.catalogue.listens(self._world.centre):
            return {"state": "nobody there"}
        return await self._world.centre.inside(work) or {"state": "killed"}

    def _learner(self) -> str:
        """Somebody who did something, where anybody did."""
        acted = [who for _, who, *_ in self._world.moodle.acts.told if who in LEARNERS]
        return f"moodle:{self._chance.choice(acted or LEARNERS)}"

    def _reward(self) -> str:
        return self._chance.choice(tuple(PRICES))

    def _say(self, where: str, what: str, told: Mapping[str, Any]) -> None:
        self._world.trace.say(f"{where}: {what}: {told['state']} {told.get('redemption', '')}".rstrip())
