"""A day through both routes, log and posts, with all that goes wrong: the ledger of the log alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.config.settings import load_settings
from agent.ledger import file, verify
from agent.wiring.agent import Agent, opened
from tests import servers
from tests.fakes import ManualClock
from tests.integration.posts.day import MIDNIGHT, Day
from tests.ledgers import rows as ledger_rows
from tests.posts import HOOK, TOKEN
from tests.sites import LOG_DEFAULTS, SqliteSite

RULES = """
schema = 1
timezone = "Europe/London"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
limit = "3/day"
group = "learn"
[[rule]]
id = "assignment"
on = "assignment.submitted"
award = 15
cooldown = "2h"
group = "learn"
[[rule]]
id = "course"
on = "course.completed"
award = 100
[[rule]]
id = "login"
on = "user.logged_in"
award = 1
[[cap]]
group = "learn"
limit = "45 points/day"
[budget]
points = "9/day"
"""
STARTS = 4
"""The agent is stopped and started again this often in the day."""
AT_ONCE = 32


class Campus:
    """An agent, stepped through a day by hand: a log in SQLite, and with ``posted`` a door that is really posted to."""

    def __init__(self, directory: Path, rules: str, *, posted: bool) -> None:
        directory.mkdir(parents=True)
        self.site = SqliteSite(directory / "moodle.sqlite")
        self.data_dir = directory / "data"
        self.clock = ManualClock(MIDNIGHT)
        self._directory = directory
        self._posted = posted
        self.port = servers.free_port()
        (directory / "rules.toml").write_text(rules)
        (directory / "trigger.token").write_text(TOKEN)
        (directory / "trigger.token").chmod(0o600)
        door = f"""
            [http]
            listen = "127.0.0.1:{self.port}"
            [[source]]
            name = "trigger"
            kind = "tool-trigger"
            path = "{HOOK}"
            same_site_as = "moodle"
            bearer_token_files = ["trigger.token"]
            rate_limit_per_s = 100000.0
        """
        (directory / "config.toml").write_text(
            f"""
            [agent]
            campus = "made-up"
            data_dir = "data"
            rules = "rules.toml"
            [[source]]
            name = "moodle"
            kind = "moodle-logstore"
            url = "sqlite:///{self.site.path}"
            start_at = "beginning"
            gap_patience = "2h"
            reconcile = "off"
            {door if posted else ""}
            """
        )

    async def live(self, day: Day) -> None:
        """The whole day, with stops between."""
        steps = list(day.steps())
        for start in range(STARTS):
            async with self._open() as (agent, session):
                for end, rows, posts in steps[len(steps) * start // STARTS : len(steps) * (start + 1) // STARTS]:
                    self.clock.at = end
                    self._show(rows)
                    if self._posted:
                        await asyncio.gather(*(self._post(session, posts[n::AT_ONCE]) for n in range(AT_ONCE)))
                    for name, collector in agent.collectors.items():
                        async for page in collector.pages(
                            agent.pipeline.stands(name), agent.pipeline.demand, follow=False
                        ):
                            await agent.pipeline.take(page)

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[tuple[Agent, aiohttp.ClientSession]]:
        settings = load_settings(self._directory / "config.toml")
        async with (
            opened(settings, clock=self.clock) as agent,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
        ):
            if agent.door is not None:
                await agent.door.open()
            try:
                yield agent, session
            finally:
                if agent.door is not None:
                    await agent.door.close()

    def _show(self, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        names = ("id", *LOG_DEFAULTS)
        marks = ", ".join("?" * len(names))
        with contextlib.closing(sqlite3.connect(self.site.path)) as db, db:
            db.executemany(
                f"INSERT INTO mdl_logstore_standard_log ({', '.join(names)}) VALUES ({marks})",
                [[{**LOG_DEFAULTS, **row}[name] for name in names] for row in rows],
            )

    async def _post(self, session: aiohttp.ClientSession, posts: Sequence[dict[str, Any]]) -> None:
        for post in posts:
            async with session.post(f"http://127.0.0.1:{self.port}{HOOK}", data=json.dumps(post)) as answer:
                assert answer.status == 200

    def entries(self) -> list[tuple[Any, ...]]:
        """What was paid to whom for what, in order."""
        sql = """
            SELECT e.seq, p.site || ':' || p.lms_user, CAST(e.body AS TEXT) ->> 'rule',
                   CAST(e.body AS TEXT) ->> 'currency', CAST(e.body AS TEXT) ->> 'amount',
                   CAST(e.body AS TEXT) ->> 'occurred_at', v.event_id
            FROM entry e JOIN person p USING (person_no) JOIN event v USING (event_no) ORDER BY e.seq
        """
        return ledger_rows(self.data_dir, sql)

    def decided(self) -> list[tuple[Any, ...]]:
        """The last word of each rule on each act that the log tells, and what is held."""
        sql = """
            SELECT v.event_id, n.text, d.role, d.outcome, d.reason, coalesce(h.state, '')
            FROM decision d JOIN event v USING (event_no) JOIN name n ON n.no = d.rule_no
            LEFT JOIN hold h USING (decision_no)
            WHERE d.decision_no IN (SELECT max(decision_no) FROM decision GROUP BY event_no, rule_no, role)
              AND d.reason <> 'waits for its log row'
            ORDER BY 1, 2, 3
        """
        return ledger_rows(self.data_dir, sql)

    def seen(self) -> list[bytes]:
        """The ids of all that is recorded."""
        return [event_id for (event_id,) in ledger_rows(self.data_dir, "SELECT event_id FROM event")]

    def waiting(self) -> int:
        """Decisions about posts that no row has confirmed."""
        sql = "SELECT count(*) FROM hold h JOIN decision d USING (decision_no) WHERE h.state = 'open' AND d.reason = ?"
        ((count,),) = ledger_rows(self.data_dir, sql, "waits for its log row")
        return int(count)


@pytest.mark.parametrize(
    ("acts", "step_s"),
    [(1_500, 1_200), pytest.param(100_000, 300, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)])],
)
async def test_a_day_through_log_and_posts_ends_in_the_ledger_of_the_log_alone(
    tmp_path: Path, acts: int, step_s: int
) -> None:
    day = Day(acts, step_s)
    rules = RULES.replace('"9/day"', f'"{acts * 6}/day"')
    alone = Campus(tmp_path / "alone", rules, posted=False)
    both = Campus(tmp_path / "both", rules, posted=True)
    await alone.live(day)
    await both.live(day)
    assert len(alone.entries()) > acts / 3
    assert both.entries() == alone.entries()
    assert both.decided() == alone.decided()
    # A phantom waits, unless its learner earned the same by an act that a row tells.
    assert both.waiting() > 0
    told, logged = both.seen(), set(alone.seen())
    assert len(set(told)) == len(told)
    assert len(set(told) - logged) >= day.phantoms > 0
    with file.reading(both.data_dir) as connection:
        assert list(verify.verify(connection).findings) == []
