"""The two programs as they are installed, each a directory and lives in it: the agent beside Moodle, the catalogue."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import URL, make_url

from agent.collectors.logstore.collector import LogstoreCollector
from agent.config.settings import load_settings
from agent.errors import RewardsError
from agent.model import Page
from agent.service import run as service
from agent.wiring.agent import opened
from catalogue.app import Door
from catalogue.errors import CatalogueError
from catalogue.proof.keys import KeyFile
from catalogue.redemption.desk import Desk
from catalogue.redemption.vault import Vault
from catalogue.server import jobs
from catalogue.server.jobs import Job
from catalogue.store import Store
from catalogue.store.base import Dialect
from catalogue.wallets.expiry import Expiry
from sim.loop import VirtualLoop
from sim.machine import Process
from sim.moodle import BEGAN, copied
from sim.trace import Trace

T = TypeVar("T")
VAULT = Vault(bytes(32))
"""What seals the codes of every simulated catalogue."""
EXPIRY_LOOK_S = 7.0
"""How often the catalogue looks for points that are over: oftener than a real one, for shorter stories."""
ENDS_S_MAX = 5.0
"""How long a program takes at most to end, in virtual seconds."""
RESTART_S = 5.0
"""How long the machine waits before it starts a program again."""


@dataclass(slots=True)
class SimClock:
    """A machine's clocks: the wall's can be wrong, and the one that runs stands still while the machine sleeps."""

    loop: VirtualLoop
    wrong_s: int = 0
    asleep_s: float = 0.0
    idle_s: float = 0.0

    def now(self) -> int:
        """Seconds UTC, as this machine believes."""
        return int(BEGAN + self.loop.time() + self.idle_s) + self.wrong_s

    def running(self) -> float:
        """Seconds that this machine was awake."""
        return self.loop.time() + self.idle_s - self.asleep_s


@dataclass(frozen=True, slots=True)
class SeededChance:
    """Secrets and jitter of one agent, from the seed."""

    random: Random

    def secret(self, size: int) -> bytes:
        """Bytes that nobody in the simulation guesses."""
        return self.random.randbytes(size)

    def jitter(self) -> float:
        """A number in [0, 1)."""
        return self.random.random()


@dataclass(slots=True)
class Program:
    """One installed program and its supervisor. ``main`` is one life of it; ``home`` is where its files lie now."""

    name: str
    home: Path
    main: Callable[[Program], Awaitable[int]]
    loop: VirtualLoop
    trace: Trace
    chance: Random
    tears: float = 0.0
    """How likely a kill leaves half of what was being written."""
    lives: list[Process] = field(default_factory=list)
    wanted: bool = True
    homes: int = 1
    commands: dict[str, Callable[..., Awaitable[Any]]] = field(default_factory=dict)
    """What its present life can be asked to do, once it takes commands."""
    on_page: Callable[[Page], None] = lambda _: None
    """Who is told of each page that an agent has on disk."""
    ending: str = ""
    """What its last life that came to its end said: the exit code, and why."""
    _sizes: dict[str, int] = field(default_factory=dict)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _supervisor: asyncio.Task[None] | None = None

    @property
    def process(self) -> Process:
        """The present life, or the last."""
        return self.lives[-1]

    @property
    def runs(self) -> bool:
        """Whether it is alive."""
        return bool(self.lives) and not self._over.is_set()

    def supervise(self) -> None:
        """Start it, and again whenever it ends, for as long as it is wanted."""
        self._supervisor = self.loop.create_task(self._supervise(), name=f"supervisor of {self.name}")

    async def _supervise(self) -> None:
        while self.wanted:
            await self._live()
            await asyncio.sleep(RESTART_S * (0.2 + self.chance.random()))

    async def _live(self) -> None:
        number = len(self.lives) + 1
        process = Process(name=f"{self.name}.{number}", on_kill=self._killed, on_near=self._near)
        self.lives.append(process)
        self._over = asyncio.Event()
        self.commands = {}
        self.trace.say(f"{process.name} starts")
        process.start(self._told, self.loop)
        await self._over.wait()

    async def _told(self) -> None:
        """One life, as its operator sees it."""
        process = self.process
        try:
            code: int | str = await self.main(self)
        except RewardsError as exc:
            code = f"{exc.exit_code} {exc.message}"
        self.ending = str(code)
        self.trace.say(f"{process.name} ends: {code}")
        self._over.set()
        self.loop.call_soon(process.exit, context=Context())

    def moved(self, files: Path) -> None:
        """Go on in a directory of its own with a copy of ``files``; whoever was killed keeps the old one."""
        self.homes += 1
        self.home = self.home.with_name(f"{self.name}.{self.homes}")
        copied(files, self.home)

    def _near(self) -> None:
        self._sizes = {str(path): path.stat().st_size for path in sorted(self.home.rglob("*-wal"))}

    def _killed(self, process: Process) -> None:
        """What a kill leaves on disk: all that was written, or half of the last of it."""
        before = self.home
        self.moved(before)
        for path in sorted(self.home.rglob("*-wal")):
            size, had = path.stat().st_size, self._sizes.get(str(before / path.relative_to(self.home)))
            if had is not None and had < size and self.chance.random() < self.tears:
                self._tear(path, had, size)
        self._sizes = {}
        self.trace.say(f"{process.name} is killed")
        self._over.set()

    def _tear(self, path: Path, had: int, size: int) -> None:
        """The machine lost power within this write: its end is missing, or is nothing but noughts."""
        kept = self.chance.randrange(had, size)
        with path.open("r+b") as file:
            file.truncate(kept)
            if self.chance.random() < 0.5:
                file.truncate(size)
        self.trace.fault("torn write", f"{path.name} {kept - had} of {size - had} bytes")

    def kill(self) -> None:
        """Now, wherever it is."""
        if self.runs:
            self.process.kill()

    def kill_within(self, calls: int) -> None:
        """At one of its next calls into a database or a file."""
        if self.runs:
            self.process.fuse = calls + 1

    def stop(self) -> None:
        """SIGTERM."""
        handler = self.process.signals.get(signal.SIGTERM) if self.runs else None
        if handler is not None:
            self.process.stopping = True
            handler()
        elif self.runs:
            self.process.kill()

    def reload(self) -> None:
        """SIGHUP."""
        handler = self.process.signals.get(signal.SIGHUP) if self.runs else None
        if handler is not None:
            handler()

    async def down(self) -> None:
        """Stop it and keep it stopped."""
        self.wanted = False
        self.kill()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    def up(self) -> None:
        """Start it again."""
        self.wanted = True
        self.supervise()

    async def command(self, work: Callable[[], Awaitable[T]], fuse: int) -> T | None:
        """Run a command beside the stopped program; None where it is killed, at the latest at the ``fuse``-th call."""
        process = Process(name=f"{self.name}'s command", on_kill=self._killed, on_near=self._near)
        process.fuse = fuse
        self.lives.append(process)
        self.commands = {}
        self._over = asyncio.Event()
        over = asyncio.create_task(self._over.wait())
        doing = process.start(work, self.loop)
        await asyncio.wait({over, doing}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        self._over.set()
        return doing.result() if doing.done() else None

    async def beside(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a command beside the program, running or not, as a process that nothing kills."""
        found: T = await Process(name=f"{self.name}'s command", on_kill=lambda _: None).start(work, self.loop)
        return found

    async def typed(self, command: str, **words: Any) -> Any:
        """What the running program answers to a command; None where it is dead, dies of it or refuses."""
        if not self.runs or command not in self.commands:
            return None
        with contextlib.suppress(RewardsError):
            return await self.inside(partial(self.commands[command], **words))
        return None

    async def inside(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Have the running process do something; None where it is killed meanwhile, or ends before that is done."""
        if not self.runs:
            return None
        process, ended = self.process, self._over
        over = asyncio.create_task(ended.wait())
        doing = process.start(work, self.loop)
        await asyncio.wait({over, doing}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if not doing.done():
            doing.add_done_callback(_failed)  # whatever it still comes to, nobody hears of it
            return None
        if doing.cancelled() or _is_fault(doing.exception()):
            with contextlib.suppress(TimeoutError):  # what it worked with may have been closed, because it is ending
                await asyncio.wait_for(ended.wait(), ENDS_S_MAX)
        return None if (process.stopping or ended.is_set()) and _failed(doing) else doing.result()


@dataclass(slots=True)
class Sidecar:
    """An agent as the campus's operator knows it."""

    name: str
    """What the catalogue calls it."""
    program: Program
    clock: SimClock
    token: str = ""
    """With what it enrols at its next start, where it is to."""


def _is_fault(error: BaseException | None) -> bool:
    """Whether it is no answer of a program's own."""
    return error is not None and not isinstance(error, (RewardsError, CatalogueError))


def _failed(task: asyncio.Task[Any]) -> bool:
    """Whether it was cancelled or came to an error, which is told to nobody then."""
    return task.cancelled() or task.exception() is not None


class Books(Store):
    """A catalogue's database that knows statements which another life, or another run, has put together before.

    A third of a short run was spent on putting the same ones together.
    """

    def __init__(self, dialect: Dialect, url: URL) -> None:
        super().__init__(dialect, url)
        for purpose in ("reading", "writing"):
            engine: Any = getattr(self._engines, purpose).sync_engine
            engine.dialect, engine._compiled_cache = _known(purpose, engine.dialect, engine._compiled_cache)  # noqa: SLF001 - it offers no other way


_KNOWN: dict[str, tuple[Any, Any]] = {}


def _known(purpose: str, *own: Any) -> tuple[Any, Any]:
    """The dialect and its statements that all engines of one purpose share: those of the first of them."""
    return _KNOWN.setdefault(purpose, (own[0], own[1]))


def write_key(path: Path, chance: Random) -> None:
    """A signing key from the seed, as the programs keep theirs."""
    key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path.chmod(0o600)


def agent_main(
    clock: SimClock, chance: SeededChance, token: Callable[[], str], rows_max: int = 0
) -> Callable[[Program], Awaitable[int]]:
    """The real agent, as `rewards-agent run` puts it together; it enrols with ``token`` where there is one.

    Its pages have at most ``rows_max`` rows of a log; 0: as many as ever.
    """

    async def main(program: Program) -> int:
        settings = load_settings(program.home / "config.toml")
        async with opened(settings, clock=clock, chance=chance) as agent:
            program.commands = agent.operations.table()
            if rows_max:
                _page_by(agent.collectors.values(), rows_max)
            if said := token():
                await program.commands["catalogue.enrol"](token=said)

            def on_page(page: Page, tally: Any) -> None:
                outcomes = ", ".join(f"{n} {outcome.name}" for outcome, n in sorted(tally.outcomes.items(), key=str))
                program.trace.say(
                    f"{program.process.name} page {page.source} to {page.state.position}: {tally.fresh} fresh,"
                    f" {tally.entries} entries; {outcomes}"
                )
                program.on_page(page)

            return await service.serve(
                agent.tails(on_page),
                agent.outbox,
                data_dir=settings.agent.data_dir,
                operations=program.commands,
                reload=agent.reload,
                watch=agent.watch,
                scheduling=agent.scheduler,
                listeners=[agent.door] if agent.door is not None else [],
                callbacks=agent.callbacks,
                pulls=agent.pulls,
                ending=agent.ending,
            )

    return main


def _page_by(collectors: Iterable[object], rows_max: int) -> None:
    """Let logs be read by so few rows: there is no setting for it."""
    for reader in (one._reader for one in collectors if isinstance(one, LogstoreCollector)):  # noqa: SLF001 - it offers no other way
        object.__setattr__(reader, "limits", replace(reader.limits, page_rows_max=rows_max))


class Centre:
    """The real catalogue on SQLite: its door, on the simulated network."""

    def __init__(self, clock: SimClock, port: int) -> None:
        self._clock = clock
        self._port = port
        self._life: Process | None = None
        self.store: Store
        self.desk: Desk
        self.key: KeyFile

    def listens(self, program: Program) -> bool:
        """Whether its present life takes connections."""
        return program.runs and program.process is self._life

    async def main(self, program: Program) -> int:
        """One life."""
        self.store = await Books.open(make_url(f"sqlite:///{program.home / 'catalogue.db'}"))
        self.desk = Desk(self.store, VAULT)
        self.key = KeyFile(program.home / "catalogue.ed25519")
        door = Door(store=self.store, key=self.key, vault=VAULT, clock=self._clock.now)
        runner = web.AppRunner(door.app(), access_log=None, auto_decompress=False, shutdown_timeout=1.0)
        stop = asyncio.Event()
        program.loop.add_signal_handler(signal.SIGTERM, stop.set)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.store.close)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
            expiry = Expiry(self.store, wall=self._clock.now, running=self._clock.running)
            look = Job(name="expiry", every_s=EXPIRY_LOOK_S, work=expiry.look)
            await stack.enter_async_context(jobs.running([look]))
            self._life = program.process
            await stop.wait()
        return 0
