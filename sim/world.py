"""One campus with its Moodle, its agent, the systems that post to it, and the catalogue: built from a seed."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

import aiohttp

from agent.ledger.record.erased import Erased
from agent.outbox.recovery.box import RecoveryKey
from agent.wiring.people.linking import KEY_FILE as LINK_KEY_FILE
from agent.wiring.people.linking import write_key as write_link_key
from sim.called import account, learner_of
from sim.loop import VirtualLoop
from sim.model import BUDGETS, LIVES, NEVER, OVERDRAWS, PAYS, Awards, Spans, Terms, owed, rules, version, within
from sim.moodle import DELETED, POSTED, Acts, Form, Moodle, Row, copied
from sim.network import Network
from sim.north import CONFIG as NORTHERN
from sim.north import PERSONS, North
from sim.programs import Centre, Program, SeededChance, Sidecar, SimClock, agent_main
from sim.sales import Sold
from sim.thanked import Thanked
from sim.trace import Trace

CAMPUS, AGENT, NORTH = "uni-example", "agent-1", "agent-2"
SITES = ("moodle", "forms")
EARLY = 0.3
"""How many worlds pay for posts before their rows are seen."""
THANKFUL = 0.1
"""How many worlds have kudos."""
SECOND = 0.4
"""How many worlds with linked accounts have a second agent."""
LINK_KEY = bytes(range(32))
CENTRE_PORT, DOOR_PORT = 8734, 8733
TOKEN = "a-token-of-a-simulated-door"
HOOK, FORMS = "/hook/moodle", "/hook/forms"
POST_S_MAX = 20.0
FORGETS = {"torn write", "agent's disk lost", "older ledger put back", "older catalogue put back"}
"""Faults after which a ledger may not know what it knew."""
PATIENCE_S = 120
PAGE_ROWS = (0, 0, 0, 0, 0, 2, 7)
"""How many rows a page of a log has at most in a world; 0: more than any story has."""

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
pay_before_log = {early}
bearer_token_files = ["door.token"]
[[source]]
name = "forms"
kind = "generic"
path = "/hook/forms"
bearer_token_files = ["door.token"]
[catalogue]
url = "http://127.0.0.1:8734"
"""
KUDOS = """\
kudos = "kudos"
[[source]]
name = "kudos"
kind = "generic"
same_site_as = "moodle"
pay_before_log = true
"""
"""What the catalogue tells of kudos is a source."""
LINKED = """\
[identity]
link_by = ["email"]
sources_trusted_to_link = ["moodle", "forms"]
"""
"""Whoever sends a form says the address that Moodle knows: two accounts, one wallet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Homes:
    """What the programs have on disk before a story begins, and the key that brings a lost ledger back."""

    agent: Path
    north: Path
    catalogue: Path
    recovery: RecoveryKey


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
    sidecar: Sidecar
    """The agent of the first Moodle, which systems post to and learners redeem at."""
    centre: Program
    catalogue: Centre
    recovery: RecoveryKey
    linked: bool
    """Whether accounts of forms are linked to those of Moodle."""
    terms: Terms
    rules: dict[str, Mapping[str, int]]
    """What each version of the rules pays that anybody ever wrote."""
    north: North | None = None
    """The campus's second agent, where there is one."""
    owners: dict[str, int] = field(default_factory=dict)
    """Whose each pseudonym is, where there are two agents, as far as anybody looked."""
    sold: Sold = field(default_factory=Sold)
    kudos: bool = False
    """Whether learners thank each other."""
    thanked: Thanked = field(default_factory=Thanked)
    bonus: bool = False
    """Whether a rule came later."""
    early: bool = False
    """Whether posts of acts pay before their rows are seen, and where none ever is."""
    told_early: list[Row] = field(default_factory=list)
    """Rows that such posts told of."""
    forms: list[Form] = field(default_factory=list)
    erased: dict[str, int] = field(default_factory=dict)
    """Accounts that the office wanted erased → when it last readmitted them (seconds UTC, by a right clock), or 0."""
    parted: dict[str, dict[int, int | None]] = field(default_factory=dict)
    """Accounts of whom a ledger ever said that they take no part: from when → until when, by its clock."""
    parted_at: dict[str, int] = field(default_factory=dict)
    """When the office last told the agent so (seconds UTC, by a right clock): what was paid by then stays."""
    returned_at: dict[str, int] = field(default_factory=dict)
    """When it last told the agent that they take part again, likewise: what came before that may have been refused."""
    lost: bool = False
    """Whether rows were removed of which the agent must say that it never read them."""
    session: aiohttp.ClientSession | None = None
    posting: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def agent(self) -> Program:
        """The first Moodle's."""
        return self.sidecar.program

    @property
    def sidecars(self) -> list[Sidecar]:
        """All agents."""
        return [self.sidecar, *([self.north.sidecar] if self.north else [])]

    @property
    def programs(self) -> list[Program]:
        """All that run: the agents, then the catalogue."""
        return [*(sidecar.program for sidecar in self.sidecars), self.centre]

    def give_link_key(self, agent: Program) -> None:
        """`rewards-agent key link --from FILE`, where two agents compare persons and this one lost its key."""
        path = agent.home / "data" / LINK_KEY_FILE
        if self.north is not None and not path.exists():
            write_link_key(path, LINK_KEY)

    def chance(self, about: str) -> Random:
        """Draws of their own for each thing, so that another draw in one changes no other."""
        return Random(f"{self.seed}/{about}")

    def owed(self, marks: Erased) -> tuple[Awards, Awards]:
        """What everybody should have, at least and at most.

        Nobody knows what became of rows that were removed before they were read, or that a ledger forgot again which
        cannot read them anew; and of what was done while somebody was being readmitted, or said that they take no part.
        When that was the ledger says.
        What a ledger that came back was paid for is not taken back where only Moodle knew what the award was about.
        """
        kept, sent = self.moodle.rows(), self.forms
        remembers = not self.trace.faults.keys() & FORGETS
        kept += [row for row, read in self.moodle.removed if read and remembers]
        kept += self.told_early if remembers else []
        unsure = [] if remembers else list(self.told_early)
        unsure += [row for row, read in self.moodle.removed if not (read and remembers)]
        undone = [row for row in unsure if row["eventname"] == DELETED]
        done = [row for row in unsure if row["eventname"] != DELETED]
        nameless = {row["objectid"] for row in done if row["eventname"] == POSTED}
        named = [row for row in kept if row["eventname"] != DELETED or row["objectid"] not in nameless]
        self.note_parted(marks)
        kept_out = [row for row in named if row["eventname"] != DELETED or not self._parted(row)]
        stay = {
            who: [(max(began, self.parted_at.get(who, 0) + 1), ended) for began, ended in spans]
            for who, spans in _named(marks.out).items()
        }
        since = {who: self._counts_since(who, marks) for who in self.erased}
        surely = {who: max(at, self.erased[who] + 1) for who, at in since.items()}
        return (
            owed([*kept, *undone], sent, linked=self.linked, bonus=self.bonus, since=surely, out=self._ever_out()),
            owed([*kept_out, *done], sent, linked=self.linked, bonus=self.bonus, since=since, out=stay),
        )

    def note_parted(self, marks: Erased) -> None:
        """Remember what the ledger says of who takes no part: it may be lost."""
        for who, spans in _named(marks.out).items():
            self.parted.setdefault(who, {}).update(spans)

    def _ever_out(self) -> Spans:
        """Spans in which what was done may count for nothing, by each account or by the one that it is linked to.

        The agent's clock may have been behind at their end.
        """
        found: defaultdict[str, list[tuple[int, int | None]]] = defaultdict(list)
        for who, spans in self.parted.items():
            for one in (account(site, learner_of(who)) for site in SITES) if self.linked else (who,):
                found[one] += [
                    (began, ended and max(ended, self.returned_at.get(who, 0))) for began, ended in spans.items()
                ]
        return found

    def _parted(self, row: Row) -> bool:
        """Whether a row is by somebody who took no part then, so that maybe nobody heard of it."""
        return within(self._ever_out().get(f"moodle:{row['userid']}", ()), row["timecreated"])

    def _counts_since(self, who: str, marks: Erased) -> int:
        site, _, user = who.partition(":")
        span = marks.span((site, user))
        return NEVER if span is None or span[1] is None else span[1]

    def awards(self, have: Awards) -> Awards:
        """Those that stand by what the ledger says, of all accounts of a learner together."""
        found: Counter[tuple[str, str]] = Counter()
        for (who, rule), times in have.items():
            found[self._moodles(who), rule] += times
        return dict(found)

    def earned(self, have: Mapping[str, int]) -> dict[str, int]:
        """Learner → points of all accounts of a learner together."""
        found: Counter[str] = Counter()
        for who, points in have.items():
            found[self._moodles(who)] += points
        return dict(found)

    def _moodles(self, who: str) -> str:
        return account("moodle", learner_of(who)) if self.linked else who

    def named(self, have: Mapping[str, int]) -> dict[str, int]:
        """Learner → points as the ledger has them, the wallet of linked accounts under Moodle's name.

        The account that was seen first keeps the wallet. Where both have one, each is told by its own name.
        """
        here = {who: self._moodles(who) for who in have}
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


def _named(out: Mapping[tuple[str, str], Sequence[tuple[int, int | None]]]) -> dict[str, list[tuple[int, int | None]]]:
    return {":".join(account): list(spans) for account, spans in out.items()}


def build(seed: str, root: Path, homes: Homes, *, north: bool | None = None, kudos: bool = False) -> World:
    """Everything in its place, nothing running; the programs lie in copies of ``homes``.

    ``north`` says whether there is a second agent; None: the seed does. With ``kudos`` there are kudos.
    """
    trace = Trace(root)
    network = Network(Random(f"{seed}/network"), trace, tape_port=CENTRE_PORT)
    loop = VirtualLoop(Random(f"{seed}/loop"), network)
    trace.time = loop.time
    moodle = Moodle(root / "moodle.db", Acts(Random(f"{seed}/moodle")))
    clocks = {name: SimClock(loop) for name in ("agent", "catalogue")}
    catalogue = Centre(clocks["catalogue"], CENTRE_PORT)
    make = _Making(seed, root, loop, trace)
    sidecar = make.sidecar(AGENT, "agent", clocks["agent"], homes.agent)
    centre = make.program("catalogue", catalogue.main, homes.catalogue)
    linked = Random(f"{seed}/identity").random() < 0.4
    draw = Random(f"{seed}/currency")
    terms = Terms(draw.choice(LIVES), draw.choice(OVERDRAWS), draw.choice(BUDGETS))
    first = {version(rules(terms=terms)): PAYS}
    running = (sidecar, centre, catalogue)
    world = World(seed, root, loop, network, trace, moodle, clocks, *running, homes.recovery, linked, terms, first)
    second = Random(f"{seed}/north")
    if north if north is not None else linked and second.random() < SECOND:
        clocks["north"] = SimClock(loop)
        there = Acts(Random(f"{seed}/north's learners"), learners=tuple(PERSONS))
        world.north = North(
            make.sidecar(NORTH, "north", clocks["north"], homes.north),
            Moodle(root / "north.db", there, PERSONS),
            second,
            trace,
        )
    world.kudos = kudos or Random(f"{seed}/kudos").random() < THANKFUL
    world.early = Random(f"{seed}/trigger").random() < EARLY
    _configure(world)
    return world


class _Making(NamedTuple):
    """What programs of one world have in common."""

    seed: str
    root: Path
    loop: VirtualLoop
    trace: Trace

    def sidecar(self, called: str, name: str, clock: SimClock, files: Path) -> Sidecar:
        """An agent in a copy of ``files``."""
        chance = SeededChance(Random(f"{self.seed}/{name}"))
        found: Sidecar
        rows_max = Random(f"{self.seed}/{name}'s pages").choice(PAGE_ROWS)
        main = agent_main(clock, chance, lambda: found.token, rows_max)
        found = Sidecar(called, self.program(name, main, files), clock)
        return found

    def program(self, name: str, main: Callable[[Program], Awaitable[int]], files: Path) -> Program:
        """A program in a copy of ``files``."""
        home, chance = self.root / f"{name}.1", Random(f"{self.seed}/{name}'s machine")
        copied(files, home)
        return Program(name=name, home=home, main=main, loop=self.loop, trace=self.trace, chance=chance)


def _configure(world: World) -> None:
    """The agents' settings and rules in this world."""
    poll_s = world.chance("keys").choice((0.5, 2.0, 7.0))
    settings = CONFIG.format(moodle=world.moodle.path, poll_s=poll_s, early=str(world.early).lower())
    if world.kudos:
        settings += KUDOS
    if world.linked:
        settings += LINKED
    else:
        world.moodle.acts.leaving = 0.01
    if world.north is not None:
        settings += "link_agents = true\n" if world.linked else ""
        _install(world, world.north.sidecar.program, NORTHERN.format(moodle=world.north.moodle.path))
        world.north.moodle.introduce()
    world.moodle.introduce()
    _install(world, world.agent, settings)


def _install(world: World, agent: Program, settings: str) -> None:
    (agent.home / "config.toml").write_text(settings)
    (agent.home / "rules.toml").write_text(rules(terms=world.terms))
    world.give_link_key(agent)


async def begin(world: World) -> None:
    """All programs run; nothing goes wrong until then."""
    world.session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        timeout=aiohttp.ClientTimeout(total=POST_S_MAX),
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    world.centre.supervise()
    await asyncio.sleep(0.5)
    for sidecar in world.sidecars:
        sidecar.program.supervise()
    await asyncio.sleep(0.5)


async def end(world: World) -> None:
    """All programs are stopped, and have stopped."""
    for program in world.programs:
        program.wanted = False
        program.stop()
    await asyncio.sleep(30)
