"""Who looks after the catalogue: its key, what a campus may issue, its backups, and agents that are shut out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random
from typing import NamedTuple

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema, tenants
from catalogue.acts import Act
from catalogue.backup import noted, restoring, taking
from catalogue.config import KEY_NAME, VOUCHERS_NAME, Config
from catalogue.errors import CatalogueError
from catalogue.funding import issue
from catalogue.people import names
from catalogue.proof import keys
from catalogue.proof.accepting import accept_all
from catalogue.proof.rejected import Wanted
from sim import shop
from sim.programs import VAULT, write_key
from sim.sales import Known
from sim.world import AGENT, CAMPUS, CENTRE_PORT, World
from wire.keys import load

BY = "operator eve"
AGAIN_S = 7.0
"""How long the operator waits before a command that failed is typed again."""
TRIES_MAX = 200
COPIES_KEPT = 3
ENTRIES_MAX = 100_000
LIMITS = (0, 15, 60)
"""Points that the campus may issue in a day, where it may not issue what it likes."""


class Copy(NamedTuple):
    """A backup, the key of then, and what learners had been told."""

    place: Path
    key: bytes
    known: Known


class Keeper:
    """Types what the catalogue's operator types; ``busy`` is a restore that is under way."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._chance = chance
        self._limited = False
        self._copies: list[Copy] = []
        self._codes = shop.CODES
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a restore is under way."""
        return self._task is not None and not self._task.done()

    async def back_up(self) -> None:
        """`rewards-catalogue backup`, while the server works or not; what cannot be copied is told."""
        if self.busy:
            return
        config, known = self._config(), self._world.sold.known()
        key = config.key_file.read_bytes()

        async def taken() -> Path:
            said, public = self._said(noted.TAKEN), load(config.key_file).public
            folder = self._world.root / "catalogue-backups"
            place, _ = await taking.take(config, folder, public=public, keep=COPIES_KEPT, said=said)
            return place

        try:
            self._copies.append(Copy(await self._world.centre.beside(taken), key, known))
            self._world.trace.say("a backup of the catalogue is taken")
        except CatalogueError as exc:
            self._world.trace.say(f"no backup of the catalogue: {exc.message}")
        except DBAPIError:  # the disk that it was of went with whoever was killed in the middle of a transaction
            self._world.trace.say("no backup of the catalogue: it was killed meanwhile")

    def put_back(self) -> None:
        """The catalogue loses its disk and gets an older copy."""
        there = [copy for copy in self._copies if copy.place.exists()]
        if there:
            self._task = asyncio.create_task(self._older(self._chance.choice(there)))

    async def _older(self, copy: Copy) -> None:
        """As the manual says: stopped, `rewards-catalogue restore` typed until it is done, with the key of then."""
        world = self._world
        world.trace.fault("older catalogue put back", copy.place.name)
        await world.centre.down()
        world.centre.moved(world.centre.home)  # what of a life that ended is still under way has the old disk's files
        world.sold.back_to(copy.known)
        for _ in range(TRIES_MAX):
            (world.centre.home / KEY_NAME).write_bytes(copy.key)
            self._next_key().unlink(missing_ok=True)
            said = await world.centre.command(lambda: self._restored(copy), self._chance.choice((0, 0, 10, 40)))
            world.trace.say(f"restore of the catalogue: {said or 'killed'}")
            if said == "done":
                break
            await asyncio.sleep(AGAIN_S)
        else:
            world.loop.troubles.append("the catalogue did not come back from its backup")
        world.centre.up()
        await self._codes_again()

    async def _restored(self, copy: Copy) -> str:
        config = self._config()
        try:
            public = load(config.key_file).public
            await restoring.restore(config, copy.place, public=public, said=self._said(noted.PUT_BACK))
        except CatalogueError as exc:
            return f"{type(exc).__name__}: {exc.message}"
        return "done"

    async def _codes_again(self) -> None:
        """Codes that were free then are held back, for they may have been given out since: the partner makes others."""
        numbers = range(self._codes, self._codes + shop.CODES)
        self._codes += shop.CODES

        async def stocked() -> bool:
            await shop.stock(self._world.catalogue.store, VAULT, numbers, now=self._now())
            return True

        for _ in range(TRIES_MAX):
            if self._world.catalogue.listens(self._world.centre) and await self._world.centre.inside(stocked):
                return
            await asyncio.sleep(AGAIN_S)

    async def rotate_key(self) -> None:
        """`rewards-catalogue key rotate`; the next key is from the seed, as if an earlier try had broken off."""
        if self.busy:
            return
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
        """What is under way has ended, what broke off is typed again, and nothing stays aside."""
        if self._task is not None:
            await self._task
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
        return acts.acting(self._world.catalogue.store, self._said(act, campus), concerned)

    def _said(self, act: str, campus: str = acts.EVERYWHERE) -> Act:
        return Act(campus=campus, by=BY, at=self._now(), act=act)

    def _now(self) -> int:
        return self._world.clocks["catalogue"].now()

    def _next_key(self) -> Path:
        return self._world.centre.home / (KEY_NAME + keys.NEXT)

    def _config(self) -> Config:
        home = self._world.centre.home
        return Config(
            data_dir=home,
            host="127.0.0.1",
            port=CENTRE_PORT,
            key_file=home / KEY_NAME,
            vouchers_file=home / VOUCHERS_NAME,
            database=make_url(f"sqlite:///{home / 'catalogue.db'}"),
        )
