"""A long backlog goes from a real agent to a real catalogue over a line that is cut, by an agent that is killed."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests import programs
from tests.acceptance.campus import Campus, campus, kill
from tests.acceptance.test_delivery import CAMPUS, COMPLETED, RULES
from tests.integration.test_catalogue_process import Served, command, serving
from tests.lines import carried, line_to
from tests.sites import LOG_DEFAULTS, SqliteSite

EACH = 2
"""Entries of one completed lesson: points and reputation."""
SAME = ("seq", "entry_id", "occurred_at", "rule_id", "currency", "amount", "kind")


class Fate(NamedTuple):
    """What becomes of a connection: cut when so many bytes went up or came down, the agent killed at that moment."""

    up: float = float("inf")
    down: float = float("inf")
    kills: bool = False


STORY = (Fate(up=20_000), Fate(down=0), Fate(down=100, kills=True), Fate(up=40_000, kills=True))
"""In the middle of a batch; taken and not told; told in part, and nobody left to hear it; nobody to send the rest."""


def storm(seed: int) -> Iterator[Fate]:
    """Where it goes wrong is diced; every third connection goes well for long."""
    dice = random.Random(seed)
    for _ in range(60):
        kills = dice.random() < 0.4
        yield dice.choice((Fate(up=dice.randrange(10**6), kills=kills), Fate(down=dice.randrange(3_000), kills=kills)))
        if dice.random() < 0.3:
            yield Fate(up=dice.randrange(10**6, 10**7))


class Line:
    """The way to the catalogue: nobody answers until there are ``fates``, and all goes well after the last of them."""

    def __init__(self, catalogue: Served) -> None:
        self._there = urlsplit(catalogue.url)
        self.fates: Iterator[Fate] | None = iter([Fate()] * 9)
        self.agent: programs.Running | None = None
        self.told = Counter[str]()
        self.url = ""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with line_to(self._connected) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fates is None:
            return
        fate = next(self.fates, Fate())
        there, out = await asyncio.open_connection(self._there.hostname, self._there.port)
        ways = (
            asyncio.create_task(self._carried(reader, out, fate.up)),
            asyncio.create_task(self._carried(there, writer, fate.down)),
        )
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if fate.kills and self.agent is not None and any(way.result() for way in done):
                self.agent.kill()
                self.told["killed"] += 1
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _carried(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: float) -> bool:
        cut = await carried(reader, writer, most)
        self.told["cut"] += cut
        return cut


def learned(site: SqliteSite, lessons: int, learners: int) -> None:
    """Every learner completes every lesson."""
    row = dict(LOG_DEFAULTS) | {"eventname": COMPLETED, "objecttable": "course_modules_completion", "contextlevel": 70}
    row |= {"other": '{"completionstate":1}'}
    own = ("id", "objectid", "contextinstanceid", "relateduserid")
    names = [name for name in row if name not in own]
    site.execute(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        f" INSERT INTO mdl_logstore_standard_log ({', '.join((*own, *names))})"
        f" SELECT i + 1, i + 1, i / ? + 1, i % ? + 35, {', '.join('?' * len(names))} FROM n",
        (lessons * learners - 1, learners, learners, *(row[name] for name in names)),
    )


async def delivered(at: Campus, line: Line) -> int:
    """`sync now`, again and again until it has delivered everything; how often."""
    for turn in range(1, 1000):
        line.agent = programs.start("agent", ["sync", "now", "--config", str(at.config)], new_session=True)
        try:
            if await asyncio.to_thread(line.agent.wait, 100) == 0:
                return turn
        finally:
            kill(line.agent)
    raise AssertionError("it never ended")


@pytest.mark.parametrize(
    ("lessons", "learners", "fates"),
    [
        pytest.param(50, 30, STORY, id="3000"),
        pytest.param(
            1000, 50, tuple(storm(1)), id="100000", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]
        ),
    ],
)  # fmt: skip
async def test_a_backlog_of_many_learners_arrives_once_over_a_line_that_is_cut_from_an_agent_that_is_killed(
    tmp_path: Path, lessons: int, learners: int, fates: tuple[Fate, ...]
) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    learned(site, lessons, learners)
    with serving(tmp_path / "catalogue") as catalogue:
        line = Line(catalogue)
        async with line.open():
            at = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES, extra=f'[catalogue]\nurl = "{line.url}"')
            added = command("tenant", "add", CAMPUS, "--config", catalogue.config, "--json").stdout
            for words in (("key", "new"), ("enrol", json.loads(added)["token"])):
                await asyncio.to_thread(at.command, *words)
            line.fates = None
            await asyncio.to_thread(at.catch_up)
            assert at.json("sync", "status")["waiting"] == lessons * learners * EACH, "nobody answered"
            line.fates = iter(fates)
            assert await delivered(at, line) > 1
        assert line.told["cut"] >= len(STORY)
        assert line.told["killed"] >= 1
        assert_the_same(at, catalogue, lessons, learners)


def assert_the_same(at: Campus, catalogue: Served, lessons: int, learners: int) -> None:
    """Every entry is there once and in its place, both chains hold, and each learner has what was earned."""
    where = ("--config", catalogue.config)
    centre = list(csv.DictReader(io.StringIO(command("ledger", "export", CAMPUS, *where).stdout)))
    here = at.export()
    assert len(here) == lessons * learners * EACH
    assert [[row[name] for name in SAME] for row in centre] == [[row[name] for name in SAME] for row in here]
    assert len({(mine["learner"], theirs["learner"]) for mine, theirs in zip(here, centre, strict=True)}) == learners
    shown = json.loads(command("wallet", "show", CAMPUS, "--json", *where).stdout)
    balances = Counter((row["currency"], row["balance"]) for row in shown)
    assert balances == {("points", 10 * lessons): learners, ("reputation", 2 * lessons): learners}
    report = json.loads(command("verify", "--json", *where).stdout)
    assert (report["entries"], report["faults"]) == (len(here), [])
    assert at.json("ledger", "verify")["findings"] == []
