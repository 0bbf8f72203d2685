"""One campus put together: MariaDB, the agent and the catalogue on disks of their own, and the ways between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.ledger import file
from sim.checks import books, unequal
from sim.look import look
from sim.model import owed, rules
from sim.sales import Sold
from sim.world import AGENT
from soak.clock import CampusClock
from soak.machine import Disk, Names, Program
from soak.moodle import LOG, Posting, Site
from soak.road import Road
from tests import programs
from tests.servers import READER, READER_PASSWORD, MariaDB, free_port, running_mariadb

CAMPUS = "uni-example"
DATABASE_HOST, CATALOGUE_HOST = "db.uni.example", "rewards.uni.example"
ROWS_PER_S = 100.0
SETTINGS = """\
[agent]
campus = "uni-example"
data_dir = "data"
[http]
listen = "127.0.0.1:{door}"
[[source]]
name = "moodle"
kind = "moodle-logstore"
url = "mysql://{reader}@db.uni.example:{database}/moodle"
password_file = "db.password"
start_at = "beginning"
poll_interval_s = 0.5
gap_patience = "60s"
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
url = "http://rewards.uni.example:{catalogue}"
"""


@dataclass(slots=True)
class Campus:
    """All that there is."""

    root: Path
    clock: CampusClock
    server: MariaDB
    site: Site
    posting: Posting
    agent: Program
    centre: Program
    disks: dict[str, Disk]
    roads: list[Road]
    names: Names
    injected: Counter[str] = field(default_factory=Counter)

    @property
    def home(self) -> Path:
        """The agent's files."""
        return self.disks["agent"].place

    def flood(self, rows: int) -> None:
        """A cron job writes so many rows at once."""
        with contextlib.suppress(Exception):  # the database may be away: then they never were
            self.site.commit(self.site.draw(rows))

    def so_far(self) -> tuple[int, int]:
        """Rows that Moodle committed, entries that the ledger has."""
        ((rows,),) = self.server.execute(f"SELECT count(*) FROM `{self.site.name}`.{LOG}")
        with file.reading(self.home / "data") as connection:
            ((entries,),) = connection.execute("SELECT count(*) FROM entry")
        return int(rows), int(entries)

    def is_right(self) -> bool:
        """Whether everybody has what they should and the catalogue knows it."""
        seen = None if self.posting.waiting else look(self.home)
        if seen is None or not seen.delivered:
            return False
        return seen.awards == owed(self.site.rows(), self.posting.forms)

    async def faults(self) -> list[str]:
        """Everything that does not hold, in words; both programs have stopped."""
        seen = look(self.home)
        if seen is None:
            return ["there is no ledger"]
        found = unequal(owed(self.site.rows(), self.posting.forms), seen.awards)
        found += [] if seen.delivered else [seen.delivery]
        return found + await books({AGENT: self.home}, self.disks["catalogue"].place, Sold(), now=int(self.clock.now()))


@asynccontextmanager
async def running(root: Path, rate: float) -> AsyncIterator[Campus]:
    """A campus at work, ``rate`` campus seconds a second. It must be in a mount namespace of its own."""
    names = Names(root / "names", DATABASE_HOST, CATALOGUE_HOST)
    disks = {name: Disk(root / f"{name}.img", root / name) for name in ("agent", "catalogue")}
    clocks = {name: root / f"{name}.clock" for name in disks}
    for path in clocks.values():
        CampusClock.begin(path, rate)
    right = CampusClock.begin(root / "right.clock", rate)
    door, port = free_port(), free_port()
    with running_mariadb(durable=True) as server:
        roads = [Road("database", server.port), Road("catalogue", port)]
        for road in roads:
            await road.open()
        _write_agent(disks["agent"].place, door, *(road.port for road in roads))
        token = await asyncio.to_thread(_write_catalogue, disks["catalogue"].place, port, clocks["catalogue"])
        posting = Posting(f"http://127.0.0.1:{door}", (disks["agent"].place / "door.token").read_text(), right.now)
        site = Site(server.create_database("moodle"), right.now, ROWS_PER_S, posting.row)
        centre = _program("catalogue", "serve", disks["catalogue"].place / "catalogue.toml", clocks, root)
        agent = _program("agent", "run", disks["agent"].place / "config.toml", clocks, root)
        campus = Campus(root, right, server, site, posting, agent, centre, disks, roads, names)
        centre.up()
        try:
            await _enrolled(campus, token)
            agent.up()
            yield campus
        finally:
            site.end()
            await agent.over()
            await centre.over()
            for disk in disks.values():
                disk.gone()


def _program(name: str, word: str, config: Path, clocks: dict[str, Path], root: Path) -> Program:
    words = [word, "--config", str(config)]
    return Program(name, name, words, clock=clocks[name], log=root / f"{name}.log")


def _write_agent(home: Path, door: int, database: int, catalogue: int) -> None:
    text = SETTINGS.format(door=door, reader=READER, database=database, catalogue=catalogue)
    (home / "config.toml").write_text(text)
    (home / "rules.toml").write_text(rules())
    for name, secret in (("db.password", READER_PASSWORD), ("door.token", secrets.token_hex(20))):
        (home / name).write_text(secret)
        (home / name).chmod(0o600)


def _write_catalogue(home: Path, port: int, clock: Path) -> str:
    """The catalogue's files; what the campus enrols with."""
    (home / "catalogue.toml").write_text(f'[catalogue]\nlisten = "127.0.0.1:{port}"\n')
    _typed(clock, "catalogue", "init", "--config", str(home / "catalogue.toml"))
    added = _typed(clock, "catalogue", "tenant", "add", CAMPUS, "--config", str(home / "catalogue.toml"), "--json")
    return str(json.loads(added)["token"])


async def _enrolled(campus: Campus, token: str) -> None:
    clock, config = campus.root / "agent.clock", ("--config", str(campus.home / "config.toml"))
    for words in (("key", "new"), ("enrol", token)):
        await asyncio.to_thread(_typed, clock, "agent", *words, *config)


def _typed(clock: Path, *words: str) -> str:
    done = programs.run("soak.program", [str(clock), *words])
    if done.returncode:
        told = f"{' '.join(words)} ended with {done.returncode}: {done.stderr}"
        raise RuntimeError(told)
    return done.stdout
