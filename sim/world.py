"""One campus with its Moodle, its agent, the systems that post to it, and the catalogue: built from a seed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import aiohttp
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import make_url

from agent.ledger import file
from agent.outbox.recovery.box import FILE_NAME as RECOVERY_FILE
from agent.outbox.recovery.box import RecoveryKey, write_lock
from catalogue import tenants
from catalogue.store import Store
from sim.loop import VirtualLoop
from sim.model import RULES, Form, owed
from sim.moodle import Acts, Moodle
from sim.network import Network
from sim.programs import Centre, Program, SeededChance, SimClock, agent_main, write_key
from sim.trace import Trace
from wire import keys

CAMPUS, AGENT = "uni-example", "agent-1"
CENTRE_PORT, DOOR_PORT = 8734, 8733
TOKEN = "a-token-of-a-simulated-door"
HOOK, FORMS = "/hook/moodle", "/hook/forms"
POST_S_MAX = 20.0
PATIENCE_S = 120

CONFIG = """\
[agent]
campus = "uni-example"
data_dir = "data"
[http]
listen = "127.0.0.1:8733"
[[source]]
name = "moodle"
kind = "moodle-logstore"
url = "sqlite:///{moodle}"
start_at = "beginning"
poll_interval_s = {poll_s}
gap_patience = "120s"
reconcile = "off"
[[source]]
name = "trigger"
kind = "tool-trigger"
path = "/hook/moodle"
same_site_as = "moodle"
bearer_token_files = ["door.token"]
[[source]]
name = "forms"
kind = "generic"
path = "/hook/forms"
bearer_token_files = ["door.token"]
[catalogue]
url = "http://127.0.0.1:8734"
"""
LINKED = """\
[identity]
link_by = ["email"]
sources_trusted_to_link = ["moodle", "forms"]
"""
"""Whoever sends a form says the address that Moodle knows: two accounts, one wallet."""


@cache
def _empty_catalogue(directory: Path) -> bytes:
    """A catalogue's file as `rewards-catalogue init` leaves it; made once, it takes longer than a run."""
    path = directory / "empty-catalogue.db"

    async def made() -> None:
        store = await Store.open(make_url(f"sqlite:///{path}"), check_schema=False)
        try:
            await store.upgrade()
        finally:
            await store.close()

    asyncio.run(made())
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


@cache
def _empty_ledger(directory: Path) -> bytes:
    """An agent's ledger as its first start makes it; nothing goes wrong in that."""
    path = directory / "empty-ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        file.migrate(db, path)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


_BALANCES = """
SELECT p.site || ':' || p.lms_user, b.amount FROM balance b JOIN person p USING (person_no) WHERE b.amount <> 0
"""


def balances(home: Path) -> dict[str, int]:
    """Learner → points, as the agent's ledger has them."""
    with file.reading(home / "data") as connection:
        return dict(connection.execute(_BALANCES).fetchall())


@dataclass(slots=True)
class World:
    """All that there is in one run."""

    seed: str
    root: Path
    loop: VirtualLoop
    network: Network
    trace: Trace
    moodle: Moodle
    clocks: dict[str, SimClock]
    agent: Program
    centre: Program
    catalogue: Centre
    recovery: RecoveryKey
    linked: bool
    """Whether accounts of forms are linked to those of Moodle."""
    forms: list[Form] = field(default_factory=list)
    session: aiohttp.ClientSession | None = None
    posting: set[asyncio.Task[None]] = field(default_factory=set)
    enrolment: str = ""

    def chance(self, about: str) -> Random:
        """Draws of their own for each thing, so that another draw in one changes no other."""
        return Random(f"{self.seed}/{about}")

    def owed(self) -> dict[str, int]:
        """Learner → points, of everybody who should have any."""
        return owed(self.moodle.rows(), self.forms, linked=self.linked)

    def balances(self) -> dict[str, int]:
        """Learner → points, as the agent's ledger has them; the wallet of linked accounts under Moodle's name.

        The account that was seen first keeps the wallet. Where both have one, each is told by its own name.
        """
        have = balances(self.agent.home)
        if not self.linked:
            return have
        here = {who: "moodle:" + who.partition(":")[2] for who in have}
        twice = {name for name, times in Counter(here.values()).items() if times > 1}
        return {who if here[who] in twice else here[who]: amount for who, amount in have.items()}

    def send(self, path: str, body: bytes, what: str, times: int) -> None:
        """Somebody posts, and does not give up."""
        task = asyncio.ensure_future(self.post(path, body, what, times))
        self.posting.add(task)
        task.add_done_callback(self.posting.discard)

    async def post(self, path: str, body: bytes, what: str, times: int) -> None:
        """Post until it is taken, as often as the sender thinks it has to."""
        chance = self.chance(f"post {what}")
        for _ in range(times):
            while (status := await self._posted(path, body)) not in {200, 202}:
                self.trace.say(f"post {what}: {status}")
                await asyncio.sleep(1 + 4 * chance.random())
        self.trace.say(f"post {what} taken")

    async def _posted(self, path: str, body: bytes) -> int:
        assert self.session is not None, "the world has not begun"  # noqa: S101 - said to the type checker
        try:
            async with self.session.post(f"http://127.0.0.1:{DOOR_PORT}{path}", data=body) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0


def build(seed: str, root: Path, scratch: Path) -> World:
    """Everything in its place, nothing running."""
    trace = Trace()
    network = Network(Random(f"{seed}/network"), trace, tape_port=CENTRE_PORT)
    loop = VirtualLoop(Random(f"{seed}/loop"), network)
    trace.time = loop.time
    moodle = Moodle(root / "moodle.db", Acts(Random(f"{seed}/moodle")))
    clocks = {name: SimClock(loop) for name in ("agent", "catalogue")}
    private = X25519PrivateKey.from_private_bytes(Random(f"{seed}/recovery").randbytes(32))
    recovery = RecoveryKey(private=private)
    catalogue = Centre(clocks["catalogue"], CENTRE_PORT)
    world: World

    agent = Program(
        name="agent",
        home=_agent_home(root, scratch, moodle, recovery, Random(f"{seed}/keys")),
        main=agent_main(clocks["agent"], SeededChance(Random(f"{seed}/agent")), lambda: world.enrolment),
        loop=loop,
        trace=trace,
        chance=Random(f"{seed}/agent's machine"),
    )
    centre = Program(
        name="catalogue",
        home=_centre_home(root, scratch, Random(f"{seed}/catalogue's key")),
        main=catalogue.main,
        loop=loop,
        trace=trace,
        chance=Random(f"{seed}/catalogue's machine"),
    )
    if linked := Random(f"{seed}/identity").random() < 0.4:
        with (agent.home / "config.toml").open("a") as config:
            config.write(LINKED)
        moodle.introduce()
    world = World(seed, root, loop, network, trace, moodle, clocks, agent, centre, catalogue, recovery, linked)
    return world


def _agent_home(root: Path, scratch: Path, moodle: Moodle, recovery: RecoveryKey, chance: Random) -> Path:
    home = root / "agent.1"
    (home / "data").mkdir(mode=0o700, parents=True)
    (home / "data" / file.FILE_NAME).write_bytes(_empty_ledger(scratch))
    (home / "config.toml").write_text(CONFIG.format(moodle=moodle.path, poll_s=chance.choice((0.5, 2.0, 7.0))))
    (home / "rules.toml").write_text(RULES)
    (home / "door.token").write_text(TOKEN)
    (home / "door.token").chmod(0o600)
    write_key(home / "agent.ed25519", chance)
    write_lock(home / RECOVERY_FILE, recovery.lock)
    return home


def _centre_home(root: Path, scratch: Path, chance: Random) -> Path:
    home = root / "catalogue.1"
    home.mkdir()
    (home / "catalogue.db").write_bytes(_empty_catalogue(scratch))
    write_key(home / "catalogue.ed25519", chance)
    return home


async def begin(world: World) -> None:
    """Both programs run and know each other; nothing goes wrong until then."""
    world.session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        timeout=aiohttp.ClientTimeout(total=POST_S_MAX),
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    world.centre.supervise()
    await asyncio.sleep(2)

    async def introduced() -> str:
        async with world.catalogue.store.writing() as conn:
            now = world.clocks["catalogue"].now()
            await tenants.add_tenant(conn, CAMPUS, title=CAMPUS, environment="production", now=now)
            known = keys.load(world.centre.home / "catalogue.ed25519").fingerprint
            token = await tenants.new_token(conn, CAMPUS, known, expires_at=now + 3_600)
        return token.text()

    world.enrolment = await world.centre.inside(introduced) or ""
    world.agent.supervise()
    await asyncio.sleep(3)
    world.enrolment = ""
