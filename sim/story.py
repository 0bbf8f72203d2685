"""One run: what learners do and what goes wrong, drawn from the seed; then calm weather, and what must hold."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from sim import checks, prepared
from sim.misfortune import KUDOS, Misfortune
from sim.moodle import BEGAN, COMPLETED, LEARNERS, UNWANTED, Form, Row, form_post, trigger_post
from sim.shop import Shop
from sim.stage import bury, logged, quiet_collector, seeded
from sim.world import FORMS, HOOK, Homes, World, begin, build, end


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How much happens in a story; times in virtual seconds."""

    storm_s: tuple[float, float]
    acts_s: tuple[float, ...]
    """Between two acts, on average."""
    late_s: tuple[float, ...]
    """The latest that a row becomes visible."""
    looks_s: float
    """How soon after the storm it is looked for the first time whether all is right."""
    patience_s: float
    """How long after the storm the operator waits for backoffs to end; then `sync now` is typed."""
    settled_s: float
    """How long after the storm everything may take to be right: backoffs are part of it."""
    afterwards_s: float
    """How long it must stay so."""
    only: tuple[str, ...] = ()
    """The misfortunes that there are, often, in place of those that the seed draws (see `misfortune.KINDS`)."""


LONG = Length(
    storm_s=(40, 160),
    acts_s=(0.3, 1.0, 3.0),
    late_s=(1.0, 20.0, 90.0),
    looks_s=5.0,
    patience_s=7_200.0,
    settled_s=7_200.0,
    afterwards_s=20.0,
)
SHORT = Length(
    storm_s=(1.5, 4.8),
    acts_s=(0.2, 0.5),
    late_s=(0.5, 3.0, 15.0),
    looks_s=1.0,
    patience_s=10.0,
    settled_s=300.0,
    afterwards_s=3.0,
)
"""A few dozen acts, with as many misfortunes for each: ten of these cost what a long story does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to; ``faults`` empty means that all held."""

    seed: str
    faults: list[str]
    injected: Counter[str]
    counts: dict[str, int]
    trace: str
    digest: str


def run(seed: str, scratch: Path, length: Length = LONG) -> Outcome:
    """Play one seed. ``scratch`` is a directory that several runs share."""
    homes = prepared.homes(scratch)
    with quiet_collector():
        return _played(seed, scratch, homes, length)


def _played(seed: str, scratch: Path, homes: Homes, length: Length) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="sim-", dir=scratch) as name:
        world = build(seed, Path(name), homes, kudos=KUDOS in length.only)
        with logged(world), seeded(world):
            try:
                faults = world.loop.run_until_complete(_play(world, length))
            except Exception as exc:  # noqa: BLE001 - whatever it is, it belongs to the seed
                faults = [f"{type(exc).__name__}: {exc}"]
            injected, counts, text, digest = _told(world)
            bury(world)
    return Outcome(seed=seed, faults=faults, injected=injected, counts=counts, trace=text, digest=digest)


def _told(world: World) -> tuple[Counter[str], dict[str, int], str, str]:
    counts: dict[str, int] = {"steps": world.loop.steps, "calls": world.loop.calls}
    with suppress(Exception):
        counts |= checks.counts(world)
    world.trace.say(f"{counts}")
    return Counter(world.trace.faults), counts, world.trace.text(), world.trace.digest()


async def _play(world: World, length: Length) -> list[str]:
    await begin(world)
    misfortune = await _storm(world, length)
    late = await _calm(world, misfortune, length)
    if not late:
        await asyncio.sleep(length.afterwards_s)
    await end(world)
    found = late + await checks.faults(world) + world.loop.troubles
    for fault in found:
        world.trace.say(f"FAULT {fault}")
    return found


async def _storm(world: World, length: Length) -> Misfortune:
    """What is done, and what goes wrong meanwhile."""
    chance = world.chance("story")
    acting = Acting(world, chance, length.late_s)
    misfortune = Misfortune(world, world.chance("misfortune"), length.only)
    until = world.loop.time() + chance.uniform(*length.storm_s)
    acts_s = chance.choice(length.acts_s)
    while world.loop.time() < until:
        await asyncio.sleep(chance.expovariate(1 / acts_s))
        await acting.once()
        await misfortune.maybe()
    await misfortune.over()
    acting.end()
    return misfortune


async def _calm(world: World, misfortune: Misfortune, length: Length) -> list[str]:
    """Until all is right; what is not, where it never comes to that."""
    began, wait, seen = world.loop.time(), length.looks_s, None
    until = began + length.settled_s
    while world.loop.time() < until:
        await asyncio.sleep(wait)
        if world.loop.time() - began > length.patience_s:
            await misfortune.hurried()
        seen = await misfortune.looked_after()
        if misfortune.is_idle(seen) and checks.is_settled(world, seen):
            world.trace.say("all is right")
            return []
        wait = min(wait * 1.2, 60.0)
    return [f"after {length.settled_s:.0f} s of calm: {told}" for told in checks.differences(world, seen)]


class Acting:
    """Learners, Moodle, what posts, and who spends."""

    def __init__(self, world: World, chance: Random, late_s: tuple[float, ...]) -> None:
        self._world = world
        self._chance = chance
        self._numbers = 0
        self._jobs: set[asyncio.Task[Any]] = set()
        self._shop = Shop(world, world.chance("shop"))
        self._late_s = chance.choice(late_s)
        self._habits = {
            "late": chance.choice((0.0, 0.2, 0.5)),
            "rolled back": chance.choice((0.0, 0.1)),
            "trigger": chance.choice((0.0, 0.5, 1.0)),
            "twice": chance.choice((0.0, 0.3)),
            "form": chance.choice((0.0, 0.15)),
            "spend": chance.choice((0.0, 0.2, 0.4)),
        }

    def _does(self, habit: str) -> bool:
        return self._chance.random() < self._habits[habit]

    async def once(self) -> None:
        """Something happens."""
        if self._world.north is not None:
            self._world.north.maybe()
        if self._does("form"):
            self._form()
        elif self._does("spend"):
            self._begin(self._shop.once())
        else:
            for _ in range(self._chance.choice((1, 1, 1, 4))):
                self._act()

    def end(self) -> None:
        """Every transaction that is open ends now."""
        for number in sorted(self._world.moodle.waiting):
            self._world.moodle.commit(number)
        if self._world.north is not None:
            self._world.north.end()

    def _begin(self, doing: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(doing)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    def _act(self) -> None:
        world, now = self._world, int(BEGAN + self._world.loop.time())
        row = world.moodle.acts.next(now)
        number = world.moodle.begin(row)
        if self._does("trigger") and _is_told(row):
            times = 1 + self._does("twice")
            if world.early:
                world.told_early.append(row)
            self._post(HOOK, trigger_post(row), f"of row {number}", times)
        if self._does("rolled back"):
            world.trace.fault("row rolled back", str(number))
            self._later(number, world.moodle.roll_back)
        elif self._does("late"):
            world.trace.fault("row visible late", str(number))
            self._later(number, world.moodle.commit)
        else:
            world.moodle.commit(number)

    def _later(self, number: int, then: Callable[[int], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(self._chance.random() * self._late_s)
            if number in self._world.moodle.waiting:
                then(number)

        self._begin(wait())

    def _form(self) -> None:
        self._numbers += 1
        learner = self._chance.choice(LEARNERS)
        essay, good = self._chance.random() < 0.5, self._chance.random() < 0.6
        form = Form(self._numbers, learner, int(BEGAN + self._world.loop.time()), essay, good)
        self._world.forms.append(form)
        self._post(FORMS, form_post(form), f"of form {self._numbers}", 1 + self._does("twice"))

    def _post(self, path: str, body: bytes, what: str, times: int) -> None:
        if times > 1:
            self._world.trace.fault("posted twice", what)
        self._world.send(path, body, what, times)


def _is_told(row: Row) -> bool:
    """Whether tool_trigger posts it: completions of real learners, at this campus."""
    plain = row["origin"] == "web" and not row["anonymous"] and not row["realuserid"]
    return row["eventname"] == COMPLETED and row["eventname"] != UNWANTED and plain and row["userid"] in LEARNERS
