"""One campus with its Moodle, its agent, the systems that post to it, and the catalogue: built from a seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp

from agent.ledger.record.erased import Erased
from agent.outbox.recovery.box import RecoveryKey
from sim.loop import VirtualLoop
from sim.model import LIVES, NEVER, OVERDRAWS, PAYS, Awards, Spans, Terms, owed, rules, version, within
from sim.moodle import DELETED, POSTED, Acts, Form, Moodle, Row, copied
from sim.network import Network
from sim.programs import Centre, Program, SeededChance, SimClock, agent_main
from sim.sales import Sold
from sim.trace import Trace

CAMPUS, AGENT = "uni-example", "agent-1"
CENTRE_PORT, DOOR_PORT = 8734, 8733
TOKEN = "a-token-of-a-simulated-door"
HOOK, FORMS = "/hook/moodle", "/hook/forms"
POST_S_MAX = 20.0
FORGETS = {"torn write", "agent's disk lost", "older ledger put back", "older catalogue put back"}
"""Faults after which a ledger may not know what it knew."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Homes:
    """What both programs have on disk before a story begins, and the key that brings a lost ledger back."""

    agent: Path
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
    agent: Program
    centre: Program
    catalogue: Centre
    recovery: RecoveryKey
    linked: bool
    """Whether accounts of forms are linked to those of Moodle."""
    terms: Terms
    rules: dict[str, Mapping[str, int]]
    """What each version of the rules pays that anybody ever wrote."""
    sold: Sold = field(default_factory=Sold)
    bonus: bool = False
    """Whether a rule came later."""
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
    enrolment: str = ""

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
        unsure = [row for row, read in self.moodle.removed if not (read and remembers)]
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
        """Spans in which what was done may count for nothing: the agent's clock may have been behind at their end."""
        return {
            who: [(began, ended and max(ended, self.returned_at.get(who, 0))) for began, ended in spans.items()]
            for who, spans in self.parted.items()
        }

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
        return "moodle:" + who.partition(":")[2] if self.linked else who

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


def build(seed: str, root: Path, homes: Homes) -> World:
    """Everything in its place, nothing running; both programs lie in copies of ``homes``."""
    trace = Trace(root)
    network = Network(Random(f"{seed}/network"), trace, tape_port=CENTRE_PORT)
    loop = VirtualLoop(Random(f"{seed}/loop"), network)
    trace.time = loop.time
    moodle = Moodle(root / "moodle.db", Acts(Random(f"{seed}/moodle")))
    clocks = {name: SimClock(loop) for name in ("agent", "catalogue")}
    catalogue = Centre(clocks["catalogue"], CENTRE_PORT)
    world: World

    agent = Program(
        name="agent",
        home=root / "agent.1",
        main=agent_main(clocks["agent"], SeededChance(Random(f"{seed}/agent")), lambda: world.enrolment),
        loop=loop,
        trace=trace,
        chance=Random(f"{seed}/agent's machine"),
    )
    centre = Program(
        name="catalogue",
        home=root / "catalogue.1",
        main=catalogue.main,
        loop=loop,
        trace=trace,
        chance=Random(f"{seed}/catalogue's machine"),
    )
    linked = Random(f"{seed}/identity").random() < 0.4
    draw = Random(f"{seed}/currency")
    terms = Terms(draw.choice(LIVES), draw.choice(OVERDRAWS))
    first = {version(rules(terms=terms)): PAYS}
    programs = (agent, centre, catalogue)
    world = World(seed, root, loop, network, trace, moodle, clocks, *programs, homes.recovery, linked, terms, first)
    copied(homes.agent, agent.home)
    copied(homes.catalogue, centre.home)
    _configure(world)
    return world


def _configure(world: World) -> None:
    """The agent's settings and rules in this world."""
    poll_s = world.chance("keys").choice((0.5, 2.0, 7.0))
    settings = CONFIG.format(moodle=world.moodle.path, poll_s=poll_s)
    if world.linked:
        settings += LINKED
    else:
        world.moodle.acts.leaving = 0.01
    world.moodle.introduce()
    (world.agent.home / "config.toml").write_text(settings)
    (world.agent.home / "rules.toml").write_text(rules(terms=world.terms))


async def begin(world: World) -> None:
    """Both programs run; nothing goes wrong until then."""
    world.session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        timeout=aiohttp.ClientTimeout(total=POST_S_MAX),
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    world.centre.supervise()
    await asyncio.sleep(0.5)
    world.agent.supervise()
    await asyncio.sleep(0.5)


async def end(world: World) -> None:
    """Both programs are stopped, and have stopped."""
    for program in (world.agent, world.centre):
        program.wanted = False
        program.stop()
    await asyncio.sleep(30)
