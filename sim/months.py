"""Who closes the campus's months at the catalogue and writes them into files, while all goes on; and what then holds.

On SQLite the rows of an archived month stay, so nothing else becomes different by it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from random import Random

from catalogue.acts import Act
from catalogue.archive import checking, making
from catalogue.archive.files import Place
from catalogue.errors import CatalogueError
from catalogue.finance import closing as finance
from sim import purse
from sim.purse import Line
from sim.world import CAMPUS, World

MONTH = "2026-11"
"""The one that is over three seconds after a story begins."""
BY = "operator mia"
AGAIN_S = 7.0
TRIES_MAX = 200
_CLOSED = "SELECT month, ends_at, last_no FROM closed_month WHERE campus = ?"
_ASTRAY = "SELECT no FROM movement WHERE campus = ? AND (no <= ?) <> (posted_at < ?) ORDER BY no"
_HELD = "SELECT coalesce(sum(closing), 0) FROM month_line WHERE (campus, month) = (?, ?)"
_LINES = """
SELECT learner, kind, amount, ref, about, occurred_at, posted_at, expires_at, owe FROM movement
WHERE campus = ? AND no <= ? ORDER BY no
"""
_ARCHIVED = "SELECT month, first_no, last_no, manifest FROM archived_month WHERE campus = ?"
_MOVED = "SELECT no, learner, kind, amount, ref FROM movement WHERE campus = ? AND no BETWEEN ? AND ? ORDER BY no"


class Months:
    """Types `finance close` and `archive make`; what broke off is typed again in the end."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._chance = chance
        self._wanted = False
        self._made = -1
        """The books of which the month was last written into files."""

    async def once(self) -> None:
        """One of the two."""
        await (self._close() if self._chance.random() < 0.4 else self._archive())

    async def done(self) -> None:
        """What was wanted is there: in an older copy that was put back there may be no note of it, or another."""
        for _ in range(TRIES_MAX):
            if not self._wanted or self._made == self._world.sold.books:
                return
            await self._close()
            await self._archive()
            if not self._wanted or self._made == self._world.sold.books:
                return
            await asyncio.sleep(AGAIN_S)
        self._world.loop.troubles.append(f"{MONTH} could not be written into files")

    async def _close(self) -> None:
        async def closed() -> str:
            async with self._world.catalogue.store.writing() as conn:
                return (await finance.close(conn, CAMPUS, MONTH, now=self._now(), by=BY)).state

        await self._typed("month closed", closed)

    async def _archive(self) -> None:
        books = self._world.sold.books

        async def made() -> str:
            said = Act(campus=CAMPUS, by=BY, at=self._now(), act="archive.make")
            await making.make(self._world.catalogue.store, place(self._world), said)
            self._made = books
            return "written"

        self._wanted |= await self._typed("month archived", made)

    async def _typed(self, what: str, work: Callable[[], Awaitable[str]]) -> bool:
        """A command at the catalogue; whether it was not refused: what dies of a kill may have left files."""
        world = self._world
        if not world.catalogue.listens(world.centre):
            return False
        try:
            told = await world.centre.inside(work)
        except CatalogueError as exc:
            world.trace.say(f"{what}: {exc.message}")
            return False
        world.trace.fault(what, told or "killed")
        return True

    def _now(self) -> int:
        return self._world.clocks["catalogue"].now()


def place(world: World) -> Place:
    """Where the files are: on a disk of their own, so that a copy that is put back finds those of later."""
    return Place(root=world.root / "archive", month=MONTH, campus=CAMPUS)


def judged(world: World) -> Iterator[str]:
    """What does not hold of closed months, and of those in files."""
    with closing(sqlite3.connect(world.centre.home / "catalogue.db")) as db:
        for month, ends_at, last_no in db.execute(_CLOSED, (CAMPUS,)).fetchall():
            for (no,) in db.execute(_ASTRAY, (CAMPUS, last_no, ends_at)):
                yield f"movement {no} is on the wrong side of the end of {month}"
            purses, _ = purse.folded(Line(*row) for row in db.execute(_LINES, (CAMPUS, last_no)))
            should = sum(one.holds for one in purses.values())
            ((held,),) = db.execute(_HELD, (CAMPUS, month)).fetchall()
            if held != should:
                yield f"{month} was closed with {held} in wallets; its lines come to {should}"
        for month, first_no, last_no, manifest in db.execute(_ARCHIVED, (CAMPUS,)).fetchall():
            files = place(world)
            yield from (f"archive of {month}: {fault}" for fault in checking.check(files, bytes(manifest)))
            names = ("no", "learner", "kind", "amount", "ref")
            kept = [tuple(row[name] for name in names) for row in checking.rows(files, "movement")]
            if kept != db.execute(_MOVED, (CAMPUS, first_no, last_no)).fetchall():
                yield f"the files of {month} have other movements than the books"
