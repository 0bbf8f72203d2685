"""What goes wrong, one function for each: it happens, lasts a while, and is over. Seconds here are real ones."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

from soak.campus import Campus
from soak.machine import Program

Fault = Callable[[Campus, random.Random], Awaitable[None]]

SPARE_BYTES = (64 << 10, 1 << 20, 4 << 20)
CLOCK_S = (5, 200, 4_000, 72_000)
"""How wrong a clock may be: up to twenty hours."""
FLOOD_ROWS = 3_000


async def _lasts(chance: random.Random, least: float = 2.0, most: float = 6.0) -> None:
    await asyncio.sleep(chance.uniform(least, most))


def _either(campus: Campus, chance: random.Random) -> Program:
    return chance.choice((campus.agent, campus.agent, campus.centre))


async def full_disk(campus: Campus, chance: random.Random) -> None:
    """The agent's disk or the catalogue's is full."""
    program = _either(campus, chance)
    campus.injected[f"full disk of the {program.name}"] += 1
    disk = campus.disks[program.name]
    await asyncio.to_thread(disk.fill)
    try:
        await _lasts(chance)
    finally:
        await asyncio.to_thread(disk.free)


async def read_only(campus: Campus, chance: random.Random) -> None:
    """The kernel makes a file system read-only; the operator stops, checks, mounts and starts."""
    program = _either(campus, chance)
    campus.injected[f"file system of the {program.name} read-only"] += 1
    disk = campus.disks[program.name]
    disk.fail()
    await _lasts(chance)
    await program.down()
    await asyncio.to_thread(disk.mend)
    program.up()
    await _lasts(chance)


async def clock(campus: Campus, chance: random.Random) -> None:
    """A machine's clock jumps, ahead or behind, and is set right again."""
    program = _either(campus, chance)
    campus.injected[f"clock jumps of the {program.name}"] += 1
    most = chance.choice(CLOCK_S)
    program.clock.jump(chance.choice((-1, 1)) * chance.uniform(most / 10, most))
    await _lasts(chance)
    program.clock.jump(0)


async def database(campus: Campus, chance: random.Random) -> None:
    """MariaDB is restarted, or killed, and away for a moment."""
    how = chance.choice(("stop", "kill"))
    campus.injected[f"database restarts ({'SIGKILL' if how == 'kill' else 'in order'})"] += 1
    await asyncio.to_thread(getattr(campus.server, how))
    await _lasts(chance, 0.0, 3.0)
    await asyncio.to_thread(campus.server.start)
    await _lasts(chance)


async def names(campus: Campus, chance: random.Random) -> None:
    """No name can be resolved, and every connection has to be made anew."""
    silent = chance.random() < 0.5
    campus.injected[f"names gone ({'no answer' if silent else 'refused'})"] += 1
    campus.names.gone(silent=silent)
    for road in campus.roads:
        road.cut()
    await _lasts(chance)
    campus.names.here()


async def idle(campus: Campus, chance: random.Random) -> None:
    """A proxy cuts connections over which nobody says anything, or forgets them without a word."""
    campus.injected["proxy cuts idle connections"] += 1
    for road in campus.roads:
        road.idle_s, road.silent = chance.choice((0.05, 0.2, 0.5)), chance.random() < 0.3
    await _lasts(chance, 3.0, 8.0)
    for road in campus.roads:
        road.good()


async def shut(campus: Campus, chance: random.Random) -> None:
    """The way to the database or to the catalogue is shut, and what was open is cut."""
    road = chance.choice(campus.roads)
    campus.injected[f"way to the {road.name} shut"] += 1
    road.shut = True
    road.cut()
    await _lasts(chance)
    road.good()


async def memory(campus: Campus, chance: random.Random) -> None:
    """A program gets hardly any more memory than it has, and thousands of rows at once."""
    program = _either(campus, chance)
    campus.injected[f"memory short of the {program.name}"] += 1
    with program.short_of_memory(chance.choice(SPARE_BYTES)):
        await asyncio.to_thread(campus.flood, FLOOD_ROWS)
        await _lasts(chance)


async def suspend(campus: Campus, chance: random.Random) -> None:
    """A program stands still, as on a machine that is suspended or swaps."""
    program = _either(campus, chance)
    campus.injected[f"standstills of the {program.name}"] += 1
    program.send(signal.SIGSTOP)
    await _lasts(chance)
    program.send(signal.SIGCONT)


async def restart(campus: Campus, chance: random.Random) -> None:
    """SIGTERM, and up again."""
    program = _either(campus, chance)
    campus.injected[f"restarts of the {program.name}"] += 1
    program.send(signal.SIGTERM)
    await _lasts(chance, 0.5, 2.0)


async def kill(campus: Campus, chance: random.Random) -> None:
    """SIGKILL at any moment, the first of its life included."""
    program = _either(campus, chance)
    if program.pid is not None:
        campus.injected[f"kills of the {program.name}"] += 1
        program.send(signal.SIGKILL)
    await asyncio.sleep(chance.choice((0.1, 0.4, 1.0)) * chance.random())
