"""Eight hours of the campus, each with its trouble; then calm weather, and what must hold."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from soak import faults
from soak.campus import Campus, running

HOUR_S = 3_600
LOOK_S = 0.25
FORMS_PER_S = 3.0
CALM_S = (1.0, 4.0)
"""Between one fault and the next."""
SETTLED_S_MAX = 240.0
"""How long after the last fault everything may take to be right: connections that were forgotten have to time out."""
GROWTH_MAX = 1.25
"""The most memory of the last hour, as a share of the most of the first two."""

HOURS: Sequence[tuple[str, Sequence[faults.Fault]]] = (
    ("an ordinary hour", ()),
    ("full disks", (faults.full_disk,)),
    ("read-only file systems", (faults.read_only,)),
    ("clocks that jump", (faults.clock,)),
    ("database restarts, names gone", (faults.database, faults.names)),
    ("ways cut, shut, forgotten", (faults.idle, faults.shut)),
    ("memory short, standstills", (faults.memory, faults.suspend)),
    ("all of it, and kills", (
        faults.full_disk, faults.clock, faults.database, faults.names, faults.idle, faults.shut, faults.memory,
        faults.suspend, faults.restart,
    )),
)  # fmt: skip


@dataclass(slots=True)
class Hour:
    """What an hour came to; bytes of memory are the most that was seen."""

    name: str
    rows: int = 0
    entries: int = 0
    lives: int = 0
    agent_bytes: int = 0
    catalogue_bytes: int = 0


@dataclass(slots=True)
class Outcome:
    """What the day came to; ``faults`` empty means that all held."""

    minutes: float
    hours: list[Hour]
    injected: Counter[str]
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


async def play(root: Path, *, minutes: float, seed: str) -> Outcome:
    """Eight hours in so many minutes. ``root`` is an empty directory of a mount namespace of its own."""
    hour_s = minutes * 60 / len(HOURS)
    outcome = Outcome(minutes, [Hour(name) for name, _ in HOURS], Counter())
    async with running(root, HOUR_S / hour_s) as campus:
        campus.site.begin()
        jobs = [asyncio.create_task(_forms(campus))]
        for number, (name, kinds) in enumerate(HOURS):
            hour = outcome.hours[number]
            watching = asyncio.create_task(_watch(campus, hour))
            await _hour(campus, kinds, hour_s, random.Random(f"{seed} {name}"))
            watching.cancel()
            hour.rows, hour.entries = campus.so_far()
            hour.lives = campus.agent.lives + campus.centre.lives
            print(f"{number + 1}. {name}: {hour}", flush=True)
        for job in jobs:
            job.cancel()
        await asyncio.to_thread(campus.site.end)
        outcome.faults += await _settled(campus, outcome)
        await campus.agent.over()
        await campus.centre.over()
        outcome.faults += await campus.faults() + list(_memory(outcome.hours))
        outcome.faults += [*campus.agent.gave_up, *campus.centre.gave_up]
        outcome.injected = _injected(campus)
        outcome.counts |= _counts(campus)
    return outcome


async def _hour(campus: Campus, kinds: Sequence[faults.Fault], hour_s: float, chance: random.Random) -> None:
    until = time.monotonic() + hour_s
    killing = asyncio.create_task(_kill(campus, chance)) if faults.restart in kinds else None
    bag: list[faults.Fault] = []
    while time.monotonic() < until:
        bag = bag or chance.sample(kinds, len(kinds))
        if bag:
            await bag.pop()(campus, chance)
        await asyncio.sleep(min(chance.uniform(*CALM_S), max(0.0, until - time.monotonic())))
    if killing is not None:
        killing.cancel()


async def _kill(campus: Campus, chance: random.Random) -> None:
    while True:
        await faults.kill(campus, chance)


async def _forms(campus: Campus) -> None:
    chance = random.Random("forms")
    while True:
        await asyncio.sleep(chance.expovariate(FORMS_PER_S))
        campus.posting.form()


async def _watch(campus: Campus, hour: Hour) -> None:
    while True:
        hour.agent_bytes = max(hour.agent_bytes, campus.agent.resident() or 0)
        hour.catalogue_bytes = max(hour.catalogue_bytes, campus.centre.resident() or 0)
        await asyncio.sleep(LOOK_S)


async def _settled(campus: Campus, outcome: Outcome) -> list[str]:
    """Until all is right; what is not, where it never comes to that."""
    began = time.monotonic()
    while time.monotonic() - began < SETTLED_S_MAX:
        await asyncio.sleep(1)
        if await asyncio.to_thread(campus.is_right):
            outcome.counts["seconds until all was right"] = round(time.monotonic() - began)
            return []
    return [f"after {SETTLED_S_MAX:.0f} s of calm not all is right"]


def _memory(hours: Sequence[Hour]) -> Iterator[str]:
    """Who needs more and more."""
    for name in ("agent", "catalogue"):
        first, last = (max(getattr(hour, f"{name}_bytes") for hour in some) for some in (hours[:2], hours[-2:]))
        if last > first * GROWTH_MAX:
            yield f"the {name} had {first >> 20} MiB in the first two hours and {last >> 20} MiB in the last two"


def _injected(campus: Campus) -> Counter[str]:
    found = campus.injected + campus.site.counts
    for road in campus.roads:
        found += Counter({f"{what}, {road.name}": number for what, number in road.counts.items()})
    return found


def _counts(campus: Campus) -> dict[str, int]:
    rows, entries = campus.so_far()
    answers = campus.posting.answers
    return {
        "rows": rows,
        "entries": entries,
        "forms": len(campus.posting.forms),
        "posts taken": answers[200] + answers[202],
        "posts refused and sent again": answers.total() - answers[200] - answers[202],
        "lives of the agent": campus.agent.lives,
        "lives of the catalogue": campus.centre.lives,
        "longest life of the agent, s": round(campus.agent.longest_s),
        "MiB on the agent's disk": campus.disks["agent"].used() >> 20,
        "MiB on the catalogue's disk": campus.disks["catalogue"].used() >> 20,
        **{f"agent ended with {code}": number for code, number in sorted(campus.agent.codes.items())},
        **{f"catalogue ended with {code}": number for code, number in sorted(campus.centre.codes.items())},
    }
