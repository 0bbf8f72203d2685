"""Who looks after the catalogue: its key, what a campus may issue, what is set aside, and agents that are shut out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema, tenants
from catalogue.acts import Act
from catalogue.config import KEY_NAME
from catalogue.errors import CatalogueError
from catalogue.funding import issue
from catalogue.people import names
from catalogue.proof import keys
from catalogue.proof.accepting import accept_all
from catalogue.proof.rejected import Wanted
from sim.programs import write_key
from sim.world import AGENT, CAMPUS, World

BY = "operator eve"
ENTRIES_MAX = 100_000
LIMITS = (0, 15, 60)
"""Points that the campus may issue in a day, where it may not issue what it likes."""


class Keeper:
    """Types what the catalogue's operator types."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._chance = chance
        self._limited = False

    async def rotate_key(self) -> None:
        """`rewards-catalogue key rotate`; the next key is from the seed, as if an earlier try had broken off."""
        self._world.trace.fault("catalogue's key rotated")
        path = self._next_key()
        if not path.exists():
            write_key(path, self._chance)
        await self._typed(self._rotated)

    async def _rotated(self) -> None:
        path = self._world.centre.home / KEY_NAME
        old, new = keys.prepare(path)
        async with self._act("key.rotate", acts.EVERYWHERE, acts.rows(schema.catalogue_key)) as conn:
            await keys.announce(conn, old, new, now=self._now())
        keys.take_over(path)

    async def limit(self) -> None:
        """`rewards-catalogue issue limit`: what the campus gives beyond it is set aside."""
        per_day = self._chance.choice(LIMITS)
        self._world.trace.fault("issue limited", f"to {per_day} a day")
        self._limited = True

        async def limited() -> None:
            async with self._world.catalogue.store.writing() as conn:
                await issue.put(conn, CAMPUS, "points", per_day, now=self._now())

        await self._typed(limited)

    async def release(self) -> None:
        """No limit any more, and `rewards-catalogue entry accept --all` of what was set aside, in its order."""
        if not self._limited:
            return

        async def released() -> None:
            store = self._world.catalogue.store
            async with store.writing() as conn:
                if "points" in await issue.hold(conn, CAMPUS, now=self._now()):
                    await issue.remove(conn, CAMPUS, "points")
            said = Act(campus=CAMPUS, by=BY, at=self._now(), act="entry.accept", why="it is right")
            done = await accept_all(store, said, Wanted(), by=BY, most=ENTRIES_MAX)
            if done.posted or done.aside:
                self._world.trace.say(f"{len(done.posted)} entries are posted later, {len(done.aside)} stay aside")

        await self._typed(released)

    async def revoke(self) -> None:
        """`rewards-catalogue agent revoke`: somebody may have seen the agent's key."""
        self._world.trace.fault("agent revoked")

        async def revoked() -> None:
            concerned = acts.rows(schema.agent, campus=CAMPUS, agent=AGENT)
            async with self._act("agent.revoke", CAMPUS, concerned) as conn:
                await tenants.revoke_agent(conn, CAMPUS, AGENT)
                await names.drop(conn, CAMPUS, AGENT, now=self._now())

        await self._typed(revoked)

    async def done(self) -> None:
        """What broke off is typed again, and nothing stays aside."""
        if self._next_key().exists():
            await self._typed(self._rotated)
        await self.release()

    async def _typed(self, work: Callable[[], Awaitable[None]]) -> None:
        """A command at the catalogue, which may be dead, die of it or refuse."""
        world = self._world
        if world.catalogue.listens(world.centre):
            try:
                await world.centre.inside(work)
            except CatalogueError as exc:
                world.trace.say(f"the catalogue says: {exc.message}")

    def _act(self, act: str, campus: str, concerned: acts.Rows) -> AbstractAsyncContextManager[AsyncConnection]:
        said = Act(campus=campus, by=BY, at=self._now(), act=act)
        return acts.acting(self._world.catalogue.store, said, concerned)

    def _now(self) -> int:
        return self._world.clocks["catalogue"].now()

    def _next_key(self) -> Path:
        return self._world.centre.home / (KEY_NAME + keys.NEXT)
