"""A full disk, a ledger that cannot be written: posts are to come again, logs wait, and both resume by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from agent.config.settings import load_settings
from agent.ledger import file
from agent.service import tail
from agent.service.tail import Tail
from agent.wiring.agent import Agent, opened
from tests.acceptance.test_posts import a_lesson, posting_campus
from tests.ledgers import found, rows
from tests.posts import HOOK, TOKEN
from tests.sites import SqliteSite, log

BEGAN = int(time.time()) - 60
EACH_PAYS = """
schema = 1
timezone = "UTC"
[[rule]]
id = "any"
on = ["course.viewed", "lesson.completed"]
award = 1
once_per = "event"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """A whole agent in this process: its log, its door, its tails."""

    site: SqliteSite
    agent: Agent
    tails: dict[str, Tail]
    session: aiohttp.ClientSession

    async def post(self, number: int) -> tuple[int, str]:
        """Status and Retry-After of a post."""
        assert self.agent.door is not None
        url, headers = f"http://127.0.0.1:{self.agent.door.port}{HOOK}", {"Authorization": f"Bearer {TOKEN}"}
        async with self.session.post(url, json=a_lesson(number), headers=headers) as answer:
            return answer.status, answer.headers.get("Retry-After", "")

    def views(self, first: int, count: int) -> None:
        """Rows of the log that each pay."""
        for number in range(first, first + count):
            log(self.site, number, timecreated=BEGAN - number)

    async def paid(self, entries: int) -> None:
        """Wait until there are so many entries."""
        sql = "SELECT count(*) FROM entry"
        await until(lambda: rows(self.agent.settings.agent.data_dir, sql) == [(entries,)])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - another process's file has no event
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def at_work(directory: Path, site: SqliteSite) -> AsyncIterator[AtWork]:
    at, _ = posting_campus(directory, log=site.options().url)
    (at.directory / "rules.toml").write_text(EACH_PAYS)
    async with opened(load_settings(at.config)) as agent, aiohttp.ClientSession() as session:
        assert agent.door is not None
        tails = {one.source.name: one for one in agent.tails(lambda _page, _tally: None)}
        await agent.door.open()
        running = [asyncio.create_task(tails[name].run(follow=True)) for name in ("moodle", "trigger")]
        try:
            yield AtWork(site=site, agent=agent, tails=tails, session=session)
        finally:
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await agent.door.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the machine looks again soon."""
    monkeypatch.setattr(tail, "BACKOFF_FIRST_S", 0.05)
    monkeypatch.setattr(tail, "BACKOFF_MAX_S", 0.1)


@pytest.mark.usefixtures("impatient")
async def test_while_the_disk_is_full_posts_are_to_come_again_and_the_log_waits_and_both_resume(
    small_disk: Path, tmp_path: Path
) -> None:
    async with at_work(small_disk / "a", SqliteSite(tmp_path / "moodle.db")) as work:
        work.views(1, 1)
        assert (await work.post(1))[0] == 200
        await work.paid(2)
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
            while True:
                stream.write(b"\0" * 4_096)
        work.views(2, 50)
        await until(lambda: work.tails["moodle"].trouble is not None)
        assert "is full" in str(work.tails["moodle"].trouble)
        status, wait = await work.post(2)
        assert (status, int(wait) > 0) == (503, True)
        ballast.unlink()
        await work.paid(52)
        assert work.tails["moodle"].trouble is None
        assert (await work.post(2))[0] == 200
        await work.paid(53)
    assert found(work.agent.settings.agent.data_dir) == []


@pytest.mark.usefixtures("impatient")
async def test_while_only_the_ledger_cannot_be_written_posts_are_to_come_again_and_are_kept_when_it_can(
    tmp_path: Path,
) -> None:
    async with at_work(tmp_path / "a", SqliteSite(tmp_path / "moodle.db")) as work:
        await work.agent.writer.alone(lambda connection: connection.execute("PRAGMA busy_timeout = 50"))
        path = file.ledger_path(work.agent.settings.agent.data_dir)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            work.views(1, 1)
            await until(lambda: work.tails["moodle"].trouble is not None)
            status, wait = await work.post(1)
            assert (status, int(wait) > 0) == (503, True)
            shell.execute("ROLLBACK")
        await work.paid(1)
        assert (await work.post(1))[0] == 200
        await work.paid(2)
