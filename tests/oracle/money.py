"""An agent whose points are earned, undone, moved by hand, merged, spent and given back, beside a plain reading."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

import aiosqlite

from agent.engine.money import guardrails
from agent.errors import InvalidInputError
from agent.ledger import corrections, file
from agent.ledger.corrections import Correction
from agent.ledger.money import accounts
from agent.recognition.following import Following
from agent.recognition.merging import Merging
from agent.schedule.expiry import Expiry
from catalogue import books
from catalogue.wallets import book
from catalogue.wallets.book import InsufficientError
from tests.builders import NOW
from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.fakes import ManualClock
from tests.ledgers import found, rows
from tests.oracle.lots import OVER, THERE, Pocket
from tests.outboxes import Delivering, delivering
from tests.pipelines import Running, running
from tests.rule_stories import event, rulebook
from tests.wire_builders import CAMPUS

DAY_S = 86_400
WHO = ("ann", "ben")
BY_HAND = Correction(reason="by hand", by="B. Desk")
LIMIT_S = 60.0
LIVES: Mapping[str, int | None] = {"never": None, "36h": 129_600, "5d": 5 * DAY_S, "20d": 20 * DAY_S}
LASTING = ("never", "36h", "5d", "5d", "20d", "20d")


GIVEN = "SELECT seq, CAST(body AS TEXT) ->> 'reason' FROM entry WHERE seq > ? ORDER BY seq"


class Terms(NamedTuple):
    """What the rules say of points."""

    life: str
    overdraw: str

    def written(self) -> str:
        """The rules file."""
        each = [
            f'[[rule]]\nid = "r{amount}"\non = "lesson.completed"\naward = {amount}\nonce_per = "event"\n'
            f'reverse_on = "lesson.uncompleted"\naudience = {{ courses = ["id:{amount}"] }}\n'
            for amount in AMOUNTS
        ]
        return (
            'schema = 1\ntimezone = "Europe/London"\n[currency.points]\nnotice = "2d"\n'
            f'expires_after = "{self.life}"\noverdraw = "{self.overdraw}"\n' + "".join(each)
        )


AMOUNTS = (1, 3, 7, 10)


class Earned(NamedTuple):
    """An award or adjustment that stands: its entry, whose, when it was earned, and when what it opens is over."""

    seq: int
    who: str
    amount: int
    at: int
    lesson: str
    ends: int | None


class Shown(NamedTuple):
    """What somebody has: the balance, (what is left, when it is over) of each lot, and what is owed."""

    who: str
    balance: int
    lots: list[tuple[int, int | None]]
    owed: int


@dataclass
class Story:
    """An agent, with or without a catalogue, and beside it the reading."""

    here: Running
    clock: ManualClock
    expiry: Expiry
    terms: Terms
    there: RealCatalogue | None = None
    ways: Delivering | None = None
    pockets: dict[str, Pocket] = field(default_factory=lambda: {who: Pocket() for who in WHO})
    waiting: list[Callable[[], object]] = field(default_factory=list)
    awards: list[Earned] = field(default_factory=list)
    by_hand: list[Earned] = field(default_factory=list)
    spends: list[tuple[str, str]] = field(default_factory=list)
    made: int = 0
    merged: bool = False

    def anybody(self, chance: Random) -> str:
        """Mostly Ann."""
        return chance.choice(("ann", "ann", *WHO))

    def whose(self, who: str) -> Pocket:
        """The pocket of whoever an account is."""
        return self.pockets["ann" if self.merged else who]

    def read(self, act: Callable[[], object]) -> None:
        """What the entry means, when it arrives where the wallets are."""
        if self.there is None:
            act()
        else:
            self.waiting.append(act)

    def lot(self, seq: int, at: int) -> tuple[str, int | None]:
        life = LIVES[self.terms.life]
        return f"1-{seq}", None if life is None else at + life

    @property
    def owe(self) -> bool:
        return self.terms.overdraw == "owe"

    def newest(self) -> int:
        ((seq,),) = rows(self.here.data_dir, "SELECT coalesce(max(seq), 0) FROM entry")
        return int(seq)

    async def earn(self, chance: Random) -> None:
        """Somebody completes a lesson, perhaps long ago."""
        who, amount = self.anybody(chance), chance.choice(AMOUNTS)
        at = self.clock.now() - chance.choice([0, 0, 0, 60, DAY_S, 3 * DAY_S, 10 * DAY_S])
        one = event(when=at, who=who, lesson=str(self.made), course=str(amount), key=str(self.made))
        await self.here.take(one.seen)
        seq = self.newest()
        pocket, (name, ends) = self.whose(who), self.lot(seq, at)
        who = "ann" if self.merged else who
        self.awards.append(Earned(seq, who, amount, at, str(self.made), ends))
        self.read(lambda: pocket.earn(name, amount, ends))

    async def undo(self, chance: Random) -> None:
        """A lesson is completed no longer."""
        if not self.awards:
            return
        await self.look()
        one = self.awards.pop(chance.randrange(len(self.awards)))
        at = max(self.clock.now(), one.at + 1)
        undone = event("lesson.uncompleted", at, one.who, lesson=one.lesson, course=str(one.amount), key=str(self.made))
        await self.here.take(undone.seen)
        pocket, name, owe = self.pockets[one.who], f"1-{one.seq}", self.owe
        self.read(lambda: pocket.undo(name, owe=owe))

    async def adjust(self, chance: Random) -> None:
        """Somebody gives or takes by hand."""
        await self.look()
        who, amount, at = self.anybody(chance), chance.choice([5, -1, -4, -12]), self.clock.now()
        who = "ann" if self.merged else who

        async def unit(connection: aiosqlite.Connection) -> int:
            balance = await accounts.balance_in(connection, f"moodle:{who}", "points")
            guardrails.covered(self.here.pipeline.rulebook, "points", amount, balance=balance)
            return await corrections.adjust(
                connection, self.here.recorder, learner=f"moodle:{who}", currency="points", amount=amount,
                correction=BY_HAND, now=at,
            )  # fmt: skip

        try:
            seq = await self.here.writer.run(unit)
        except InvalidInputError:
            return
        pocket, (name, ends), owe = self.pockets[who], self.lot(seq, at), self.owe
        self.by_hand.append(Earned(seq, who, amount, at, "", ends))
        if amount > 0:
            self.read(lambda: pocket.earn(name, amount, ends))
        else:
            self.read(lambda: pocket.take(name, -amount, owe=owe))

    async def reverse(self, chance: Random) -> None:
        """What was done by hand is taken back by hand."""
        if not self.by_hand:
            return
        await self.look()
        one = self.by_hand.pop(chance.randrange(len(self.by_hand)))
        seqs = await self.here.writer.run(
            lambda connection: corrections.reverse(
                connection, self.here.recorder, seq=one.seq, correction=BY_HAND, now=self.clock.now()
            )
        )
        pocket, owe, (name, ends) = self.pockets[one.who], self.owe, self.lot(seqs[0], one.at)
        if one.amount > 0:
            self.read(lambda: pocket.undo(f"1-{one.seq}", owe=owe))
        else:
            self.read(lambda: pocket.give_back(f"1-{one.seq}", name, ends))

    async def change(self, chance: Random) -> None:
        """The rules say something else from now on."""
        self.terms = Terms(chance.choice(LASTING), chance.choice(["owe", "forgive"]))
        text = self.terms.written()
        await self.here.pipeline.adopt(rulebook(text), text)
        await self.expiry.adopt()

    async def wait(self, chance: Random) -> None:
        """Time passes, often to the very second at which something is over."""
        now = self.clock.now()
        lots = [lot for one in self.pockets.values() for lot in one.lots]
        ends = [lot.ends for lot in lots if lot.ends is not None and lot.ends > now]
        if ends and chance.random() < 0.6:
            self.clock.at = min(ends) - chance.choice([0, 0, 1])
        else:
            self.clock.at += chance.choice([60, DAY_S, 3 * DAY_S])

    async def look(self, chance: Random | None = None) -> None:
        """Whoever keeps the wallets lets go of what is over."""
        del chance
        if self.there is None:
            await self.expiry.look()
        else:
            keys = [(name, "points") for name in self.names().values()]
            async with self.there.store.writing() as conn:
                await book.let_expire(self.there.store, conn, CAMPUS, keys, now=self.clock.now())
        for pocket in self.pockets.values():
            pocket.let_go(self.clock.now())

    async def merge(self, chance: Random) -> None:
        """Ben's account is Ann's: all that stands of it is answered there and given to her, with its dates."""
        del chance
        if self.merged:
            return
        await self.look()
        self.merged, before = True, self.newest()
        following = Following(self.here.pipeline, self.here.recorder)
        merging = Merging(self.here.writer, self.here.recorder, self.here.pipeline, following, self.clock)
        await merging.merge(source="moodle:ben", target="moodle:ann", reason="one person", by="B. Desk")
        reasons = rows(self.here.data_dir, GIVEN, before)
        gifts = {reason.rpartition(" ")[2]: seq for seq, reason in reasons if " instead of " in reason}
        ben, ann = self.pockets["ben"], self.pockets["ann"]
        for one in sorted(self.awards + self.by_hand):
            if one.who != "ben":
                continue
            was, gift = f"1-{one.seq}", gifts[f"1-{one.seq}"]
            if one.amount > 0:
                lot = next(lot for lot in ben.lots if lot.name == was)
                ben.undo(was, owe=True)
                ann.earn(f"1-{gift}", one.amount, lot.ends)
                ann.lots[-1].turn(THERE, OVER, len(lot.those(OVER)))
            else:
                ben.give_back(was, was, one.ends)
                ann.take(f"1-{gift}", -one.amount, owe=True)
            for kept in (self.awards, self.by_hand):
                if one in kept:
                    kept[kept.index(one)] = one._replace(seq=gift, who="ann")
        await self.look()

    def names(self) -> dict[str, str]:
        """What the centre calls each learner."""
        return dict(rows(self.here.data_dir, "SELECT lms_user, pseudonym FROM person"))

    async def spend(self, chance: Random) -> None:
        """Somebody buys something."""
        who, amount, ref = self.anybody(chance), chance.choice([1, 2, 5, 9]), f"spend:{self.made}"
        name = self.names().get(who)
        if self.there is None or name is None:
            return
        pocket = self.pockets[who]
        try:
            async with self.there.store.writing() as conn:
                await book.spend(
                    self.there.store, conn, CAMPUS, (name, "points"), amount, ref=ref, now=self.clock.now()
                )
        except InsufficientError:
            assert amount > pocket.has(self.clock.now())
            return
        pocket.let_go(self.clock.now())
        assert pocket.spend(ref, amount)
        self.spends.append((who, ref))

    async def refund(self, chance: Random) -> None:
        """It was broken."""
        if self.there is None or not self.spends:
            return
        who, ref = self.spends.pop(chance.randrange(len(self.spends)))
        key = (self.names()[who], "points")
        async with self.there.store.reading() as conn:
            spent = -next(row["amount"] for row in await books.history(conn, CAMPUS, *key) if row["ref"] == ref)
        async with self.there.store.writing() as conn:
            await book.refund(
                self.there.store, conn, CAMPUS, key, spent, ref=f"refund:{ref}", about=ref, now=self.clock.now()
            )
        self.pockets[who].let_go(self.clock.now())
        self.pockets[who].refund(ref, self.clock.now())

    async def sync(self, chance: Random | None = None) -> None:
        """Both ends hear of each other."""
        del chance
        if self.ways is None:
            return
        await self.look()
        assert await self.ways.outbox.drain(limit_s=LIMIT_S)
        for act in self.waiting:
            act()
        self.waiting.clear()
        assert await self.ways.feed.drain(limit_s=LIMIT_S)

    async def settled(self) -> tuple[list[Shown], list[Shown]]:
        """What each end shows in the end, and what the reading says of it; nothing else is wrong with either."""
        await self.sync()
        await self.look()
        if self.ways is not None:
            assert await self.ways.feed.drain(limit_s=LIMIT_S)
        assert found(self.here.data_dir) == []
        shown = [self.shown_here(who) for who in WHO]
        read = [Shown(who, one.has(), one.seen(), one.owed) for who, one in self.pockets.items()]
        if self.there is not None:
            assert await self.there.faults() == []
            names = self.names()
            shown += [await self.shown_there(self.there, who, names[who]) for who in WHO if who in names]
            read += [one for one in read if one.who in names]
        return shown, read

    def shown_here(self, who: str) -> Shown:
        """At the agent."""
        with contextlib.closing(file.open_for_reading(self.here.data_dir)) as connection:
            held = accounts.held(connection, f"moodle:{who}", "points")
        assert held.account is not None
        seen = [(lot.left, lot.expires_at) for lot in held.account.lots]
        return Shown(who, held.balance, seen, held.account.debt)

    async def shown_there(self, there: RealCatalogue, who: str, name: str) -> Shown:
        """At the catalogue."""
        async with there.store.reading() as conn:
            inside = await books.lots(conn, CAMPUS, name, "points")
        balance = (await there.wallets(CAMPUS)).get((name, "points"), 0)
        return Shown(who, balance, [(lot["left"], lot["expires_at"]) for lot in inside["lots"]], inside["owed"])


@asynccontextmanager
async def told(directory: Path, chance: Random) -> AsyncIterator[Story]:
    """A story without a catalogue."""
    terms = Terms(chance.choice(LASTING), chance.choice(["owe", "forgive"]))
    async with running(directory, terms.written()) as here:
        clock = ManualClock(NOW)
        expiry = Expiry(here.writer, here.pipeline, clock, active=True)
        await expiry.adopt()
        yield Story(here, clock, expiry, terms)


@asynccontextmanager
async def told_at_both_ends(directory: Path, chance: Random) -> AsyncIterator[Story]:
    """A story with a catalogue."""
    terms = Terms(chance.choice(LASTING), chance.choice(["owe", "forgive"]))
    room = directory / "agent"
    room.mkdir()
    async with (
        running_catalogue(directory, f"sqlite:///{directory / 'books.db'}") as there,
        running(room, terms.written()) as here,
        delivering(room, there.url, await there.add_tenant(CAMPUS), beside=here.writer) as ways,
    ):
        clock = ManualClock(NOW)
        expiry = Expiry(here.writer, here.pipeline, clock, active=False)
        await expiry.adopt()
        yield Story(here, clock, expiry, terms, there, ways)
