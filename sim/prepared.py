"""A campus before its first day: all programs installed, the agents enrolled; made once, each story begins with a copy.

What would be the same in every run is most of what a short one costs: two schemas, keys, a tenant, an enrolment.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import make_url

from agent.ledger import file
from agent.outbox.recovery.box import FILE_NAME as RECOVERY_FILE
from agent.outbox.recovery.box import RecoveryKey, write_lock
from catalogue import tenants
from catalogue.store import Store
from sim import shop
from sim.programs import VAULT, write_key
from sim.stage import bury, logged, seeded
from sim.world import CAMPUS, TOKEN, Homes, World, build, end
from wire import keys

SEED = "prepared"
BEFORE_S = 60
"""How long before the first story the campus was set up, seconds of every clock."""


@cache
def homes(scratch: Path) -> Homes:
    """All programs' files, made in a directory of ``scratch`` by the programs themselves."""
    root = scratch / SEED
    world = build(SEED, root, _installed(root / "installed"), north=True)
    for clock in world.clocks.values():
        clock.wrong_s = -BEFORE_S
    with logged(world), seeded(world):
        world.loop.run_until_complete(_enrolled(world))
        bury(world)
    agent, north = (sidecar.program.home for sidecar in world.sidecars)
    return Homes(agent=agent, north=north, catalogue=world.centre.home, recovery=world.recovery)


def _installed(root: Path) -> Homes:
    """All programs' files before anybody ran them."""
    chance = Random(SEED)
    agent, north, catalogue = root / "agent", root / "north", root / "catalogue"
    catalogue.mkdir(parents=True)
    asyncio.run(_empty_catalogue(catalogue / "catalogue.db"))
    write_key(catalogue / "catalogue.ed25519", chance)
    recovery = RecoveryKey(private=X25519PrivateKey.from_private_bytes(chance.randbytes(32)))
    for home in (agent, north):
        (home / "data").mkdir(mode=0o700, parents=True)
        _empty_ledger(home / "data" / file.FILE_NAME)
        write_key(home / "agent.ed25519", chance)
        write_lock(home / RECOVERY_FILE, recovery.lock)
    (agent / "door.token").write_text(TOKEN)
    (agent / "door.token").chmod(0o600)
    return Homes(agent=agent, north=north, catalogue=catalogue, recovery=recovery)


async def _empty_catalogue(path: Path) -> None:
    """A catalogue's file as `rewards-catalogue init` leaves it."""
    store = await Store.open(make_url(f"sqlite:///{path}"), check_schema=False)
    try:
        await store.upgrade()
    finally:
        await store.close()


def _empty_ledger(path: Path) -> None:
    """An agent's ledger as its first start makes it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        file.migrate(db, path)


async def _enrolled(world: World) -> None:
    """The campus is a tenant, its agents enrolled; then all programs are stopped."""
    world.centre.supervise()
    await asyncio.sleep(1)

    async def introduced() -> None:
        async with world.catalogue.store.writing() as conn:
            now = world.clocks["catalogue"].now()
            await tenants.add_tenant(conn, CAMPUS, title=CAMPUS, environment="production", now=now)
        await shop.furnish(world.catalogue.store, VAULT, now=now)

    async def token() -> str:
        async with world.catalogue.store.writing() as conn:
            now = world.clocks["catalogue"].now()
            known = keys.load(world.centre.home / "catalogue.ed25519").fingerprint
            return (await tenants.new_token(conn, CAMPUS, known, expires_at=now + 3_600)).text()

    await world.centre.inside(introduced)
    for sidecar in world.sidecars:
        sidecar.token = await world.centre.inside(token) or ""
        sidecar.program.supervise()
        await asyncio.sleep(5)
    await end(world)
