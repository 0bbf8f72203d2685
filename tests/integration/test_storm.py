"""Ten agents, five campuses, two workers, one PostgreSQL, and everything that goes wrong on the way, at once."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiosqlite
import orjson
import pytest
from sqlalchemy import make_url

from agent.clock import SystemClock
from agent.errors import RewardsError
from agent.ledger import delivery, file
from agent.ledger.delivery import Identity, Sealed
from agent.ledger.recovery.marks import Marks
from agent.outbox import seal
from agent.outbox.client import Client, Place
from catalogue import books, tenants
from catalogue.app import wall_clock
from catalogue.store import Store
from catalogue.verify import verify
from tests.integration.test_catalogue_process import Served, serving
from tests.lines import carried, line_to
from tests.outboxes import Delivering, delivering
from tests.servers import PostgresDatabase, free_port
from tests.wire_builders import an_entry
from wire import keys
from wire.keys import Key
from wire.money.terms import Terms

CAMPUSES = 5
AGENTS_EACH = 2
LIMIT_S = 3.0
DRAIN_S = 60.0
CUT_FIRST = 2
KILLS_MIN = 2
LINES_MAX = 5


class Wire:
    """The way to two workers: a connection goes to one of them, and while it storms some are cut in the middle."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.workers: list[Served] = []
        self.storming = True
        self.cut = 0
        self.url = ""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with line_to(self._connected) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        worker = urlsplit(self._dice.choice(self.workers).url)
        left = self._left()
        try:
            there, out = await asyncio.open_connection(worker.hostname, worker.port)
        except OSError:
            self.cut += 1
            return
        cut = await asyncio.gather(carried(reader, out, left), carried(there, writer))
        self.cut += sum(cut)

    def _left(self) -> float:
        """The bytes after which a connection is cut; the first ones always are, however few a slow machine makes."""
        if not self.storming:
            return math.inf
        if self.cut < CUT_FIRST:
            return 100
        return self._dice.choice([100, 2_000, 20_000]) if self._dice.random() < 0.15 else math.inf


class Sender:
    """One agent that writes, delivers, and says things twice and too early."""

    def __init__(self, agent: Delivering, campus: str, number: int, url: str, dice: random.Random) -> None:
        self.agent = agent
        self.campus = campus
        self._dice = dice
        self._learners = [f"{campus}-{number}-{n}" for n in range(5)] + [f"{campus}-both"]
        key_file = agent.data_dir / "agent.ed25519"
        self._other = Client(Place(url=url), key_file=key_file, clock=SystemClock())
        self._said: list[bytes] = []

    async def storm(self, over: Callable[[], bool]) -> None:
        while not over():
            await self._write()
            sealed = await self._under_way()
            if sealed is not None:
                self._said = [*self._said[-4:], sealed.body]
            again = [self._say(self._dice.choice(self._said))] if self._said and self._dice.random() < 0.5 else []
            early = [self._too_early()] if self._dice.random() < 0.3 else []
            await asyncio.gather(self.agent.outbox.step(limit_s=LIMIT_S), *again, *early)
        await self._other.close()

    async def _write(self) -> None:
        first = self.agent.written + 1
        bodies = []
        for seq in range(first, first + self._dice.randint(1, 40)):
            amount = self._dice.choice([1, 5, 10, 50, -3])
            kind = "award" if amount > 0 else "adjustment"
            bodies.append(an_entry(seq, learner=self._dice.choice(self._learners), amount=amount, kind=kind))
        await self.agent.append(bodies)

    async def _under_way(self) -> Sealed | None:
        async def unit(conn: aiosqlite.Connection) -> Sealed | None:
            return await delivery.sealed(conn)

        return await self.agent.writer.run(unit)

    async def _say(self, body: bytes) -> None:
        who = await self._who()
        with contextlib.suppress(RewardsError):
            await self._other.post_batch(body, campus=self.campus, agent=who.agent, limit_s=LIMIT_S)

    async def _too_early(self) -> None:
        """A true batch of our own chain whose time has not come."""

        async def unit(conn: aiosqlite.Connection) -> Sealed | None:
            after = await delivery.newest_seq(conn) - 1
            head = await delivery.head_at(conn, after)
            found = await delivery.entries_after(conn, after, 1)
            now, who = wall_clock(), await delivery.identity(conn)
            assert who is not None
            assert head is not None
            return seal.seal(who, head, found, marks=Marks(), terms=Terms(), environment="production", now=now)

        sealed = await self.agent.writer.run(unit)
        if sealed is not None and sealed.first_seq > self.agent.standing()["acked_seq"] + 1:
            await self._say(sealed.body)

    async def _who(self) -> Identity:
        async def unit(conn: aiosqlite.Connection) -> Identity | None:
            return await delivery.identity(conn)

        who = await self.agent.writer.run(unit)
        assert who is not None
        return who

    def sums(self) -> Counter[tuple[str, str, str]]:
        """What its ledger adds up to."""
        found: Counter[tuple[str, str, str]] = Counter()
        with file.reading(self.agent.data_dir) as connection:
            for (body,) in connection.execute("SELECT body FROM entry"):
                fields = orjson.loads(body)
                found[self.campus, fields["learner"], fields["currency"]] += fields["amount"]
        return found


async def killing(workers: list[Served], dice: random.Random, until: float) -> None:
    """Kill a worker now and then, in whatever it is doing; some are killed however slow the machine is."""
    kills = 0
    while time.monotonic() < until or kills < KILLS_MIN:
        await asyncio.sleep(dice.uniform(0.2, 1.0))
        worker = dice.choice(workers)
        worker.end(signal.SIGKILL)
        kills += 1
        await asyncio.to_thread(worker.start)


async def delivered(agent: Delivering) -> bool:
    """Deliver all there is; a line that was begun in the storm may be cut after it, and then it goes by another one."""
    for _ in range(LINES_MAX):
        if await agent.outbox.drain(limit_s=DRAIN_S):
            return True
    return False


async def tokens(store: Store, key: Key) -> list[tuple[str, str]]:
    """(campus, token), one for each agent."""
    made = []
    async with store.writing() as conn:
        for number in range(CAMPUSES):
            campus = f"campus-{number}"
            await tenants.add_tenant(conn, campus, title=campus, environment="production", now=wall_clock())
            for _ in range(AGENTS_EACH):
                token = await tenants.new_token(conn, campus, key.fingerprint, expires_at=wall_clock() + 3600)
                made.append((campus, token.text()))
    return made


def second_worker(first: Served) -> Served:
    """Another process with the same key and the same database, on a port of its own."""
    config = first.config.with_name("second.toml")
    lines = first.config.read_text(encoding="utf-8").splitlines()
    port = f'listen = "127.0.0.1:{free_port()}"'
    config.write_text("\n".join(port if line.startswith("listen") else line for line in lines), encoding="utf-8")
    return Served(config)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("storm_s", [4.0, pytest.param(240.0, marks=pytest.mark.soak)])
async def test_whatever_happens_on_the_way_every_wallet_equals_the_sum_of_its_agents_ledgers(
    tmp_path: Path, postgres_database: PostgresDatabase, storm_s: float
) -> None:
    dice = random.Random(5)
    wire = Wire(dice)
    url = make_url(postgres_database.dsn)
    async with contextlib.AsyncExitStack() as stack:
        first = stack.enter_context(serving(tmp_path / "c", database=postgres_database.dsn))
        wire.workers = [first, second_worker(first)]
        stack.callback(wire.workers[1].stop)
        wire.workers[1].start()
        await stack.enter_async_context(wire.open())
        key = keys.load(first.config.with_name("catalogue.ed25519"))
        store = await Store.open(url)
        stack.push_async_callback(store.close)
        senders = []
        for number, (campus, token) in enumerate(await tokens(store, key)):
            data_dir = tmp_path / f"agent-{number}"
            data_dir.mkdir()
            wire.storming = False
            agent = await stack.enter_async_context(delivering(data_dir, wire.url, token, campus=campus))
            senders.append(Sender(agent, campus, number, wire.url, dice))
        wire.storming = True
        until = time.monotonic() + storm_s
        murders = asyncio.create_task(killing(wire.workers, dice, until))
        await asyncio.gather(*(sender.storm(lambda: murders.done() and wire.cut >= CUT_FIRST) for sender in senders))
        await murders
        wire.storming = False
        for sender in senders:
            assert await delivered(sender.agent), sender.agent.standing()
        ledgers: Counter[tuple[str, str, str]] = Counter()
        for sender in senders:
            ledgers.update(sender.sums())
        async with store.reading() as conn:
            report = await verify(conn, key.public, now=wall_clock())
            wallets = {
                (campus, row["learner"], row["currency"]): row["balance"]
                for campus in {sender.campus for sender in senders}
                async for row in books.wallets(conn, campus)
            }
        assert report.faults == []
        assert report.entries == sum(sender.agent.written for sender in senders)
        assert wallets == dict(ledgers)
