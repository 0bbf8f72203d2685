"""`decisions_keep`: what nothing came of goes in time; what is paid, waits or is needed stays; no act is news twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import aiosqlite
import pytest

from agent.collectors.inbox.store import FILE_NAME, Inbox
from agent.config.settings import load_settings
from agent.ledger import delivery, file
from agent.ledger.privacy.statements import BYTES_DUE
from agent.model import Evidence, Observation
from agent.schedule.forgetting import Forgetting
from agent.service import run as service
from agent.wiring.agent import opened
from tests.acceptance.campus import Campus, campus
from tests.fakes import ManualClock
from tests.ledgers import found, rows
from tests.rule_stories import at, event, rule, rulebook
from tests.schedules import Office, lesson, office
from tests.sites import NOW, SqliteSite, log

DAY = 86_400
KEEP_S = 400 * DAY
DAY_ONE = "2026-09-09T09:00:00"
LONG_AFTER = "2027-12-01T09:00:00"
LIMITED = rule(name="lesson", more='limit = "3/day"')


def forgetting(here: Office) -> Forgetting:
    """What forgets at this office."""
    return Forgetting(
        here.writer, here.pipeline, here.clock, data_dir=here.data_dir, keep_s=KEEP_S, posts_keep_s=30 * DAY, posting=[]
    )


def points(here: Office) -> dict[str, int]:
    """Learner → points."""
    return dict(rows(here.data_dir, "SELECT p.lms_user, b.amount FROM balance b JOIN person p USING (person_no)"))


def four_lessons() -> list[Observation]:
    """One more than a day allows."""
    return [lesson("ann", number, DAY_ONE) for number in range(1, 5)]


async def later(here: Office, when: str = LONG_AFTER) -> None:
    """Time goes by, and somebody does something."""
    here.clock.pass_s(at(when) - here.clock.at)
    await here.take([lesson("ben", at(when), when)])


async def test_an_act_that_earned_nothing_is_forgotten_in_time_and_never_news_again(tmp_path: Path) -> None:
    async with office(tmp_path, LIMITED) as here:
        await here.take(four_lessons())
        await later(here, "2027-09-01T09:00:00")
        assert await forgetting(here).look() == 0, "it is not old enough"
        await later(here)
        before = rows(tmp_path, "SELECT * FROM entry")
        assert await forgetting(here).look() == 1
        assert rows(tmp_path, "SELECT count(*) FROM event") == [(5,)]
        assert rows(tmp_path, "SELECT count(*) FROM decision WHERE outcome = 3") == [(0,)]
        assert (rows(tmp_path, "SELECT * FROM entry"), found(tmp_path)) == (before, [])
        assert points(here) == {"ann": 30, "ben": 20}
    async with office(tmp_path, rule(name="lesson")) as here:
        await here.take([*four_lessons(), lesson("ann", 5, DAY_ONE)])
        assert points(here) == {"ann": 30, "ben": 20}, "rules that would pay it came too late"
        assert rows(tmp_path, "SELECT count(*) FROM event") == [(5,)]
        await here.take([lesson("ann", 4, LONG_AFTER)])
        assert points(here)["ann"] == 40, "what happens now is news"


async def test_another_site_is_not_forgotten_with_it(tmp_path: Path) -> None:
    async with office(tmp_path, LIMITED) as here:
        await here.take(four_lessons())
        await later(here)
        await forgetting(here).look()
        await here.take([replace(lesson("cat", 1, DAY_ONE), site="school")])
        assert points(here)["cat"] == 10


async def rejected(connection: aiosqlite.Connection) -> None:
    """Somebody rejects the first hold."""
    sql = "UPDATE hold SET state = 'rejected', settled_at = 1 WHERE decision_no = (SELECT min(decision_no) FROM hold)"
    await connection.execute(sql)


async def test_what_waits_for_somebody_stays_until_it_is_decided(tmp_path: Path) -> None:
    async with office(tmp_path, rule(name="lesson", more='review = "always"')) as here:
        await here.take([lesson("ann", 1, DAY_ONE)])
        await later(here)
        assert await forgetting(here).look() == 0
        await here.writer.run(rejected)
        assert await forgetting(here).look() == 1
        assert rows(tmp_path, "SELECT count(*) FROM hold") == [(1,)], "ben's is young"


async def test_a_clock_that_is_years_ahead_makes_nobody_forget(tmp_path: Path) -> None:
    async with office(tmp_path, LIMITED) as here:
        await here.take(four_lessons())
        here.clock.jump(10 * 365 * DAY)
        assert await forgetting(here).look() == 0


async def test_what_a_scheduled_reward_still_looks_at_stays(tmp_path: Path) -> None:
    text = LIMITED + '\n[[scheduled]]\nid = "s"\nevery = "day"\nover = "900d"\n'
    text += 'attendance = { of = "lesson.completed", days = 1 }\naward = 7\n'
    async with office(tmp_path, text) as here:
        await here.take(four_lessons())
        await later(here)
        assert await forgetting(here).look() == 0
        await here.pipeline.adopt(rulebook(LIMITED), LIMITED)
        assert await forgetting(here).look() == 1


async def test_the_act_that_an_anniversary_is_counted_from_stays(tmp_path: Path) -> None:
    text = (
        LIMITED
        + '\n[[scheduled]]\nid = "s"\nevery = "week"\nanniversary = { of = "enrolment", years = [2] }\naward = 100\n'
    )
    enrolled = [event("course.enrolled", when, key=when).seen for when in (DAY_ONE, "2026-09-10T09:00:00")]
    async with office(tmp_path, text) as here:
        await here.take(enrolled)
        await later(here)
        assert await forgetting(here).look() == 1, "the second enrolment alone"
        await here.decide("2028-09-20T00:00:00")
        assert here.prizes() == {"ann": [100]}


def complete(site: SqliteSite, row: int, lesson: int, at: int) -> None:
    """Learner 35 completes a lesson."""
    about = {"objecttable": "course_modules_completion", "objectid": row, "contextlevel": 70}
    name, other = r"\core\event\course_module_completion_updated", '{"completionstate":1}'
    log(site, row, eventname=name, contextinstanceid=lesson, relateduserid=35, other=other, timecreated=at, **about)


async def worked(at: Campus, clock: ManualClock) -> None:
    """One run to the end of the log at that time."""
    async with opened(load_settings(at.config), clock=clock) as agent:
        assert await service.until_caught_up(agent.tails(lambda *_: None), None, ending=agent.ending) == 0


@pytest.mark.parametrize("keep", ["400d", "4000d"])
async def test_the_agent_forgets_as_the_configuration_says_and_the_help_desk_says_so(tmp_path: Path, keep: str) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    for row in range(1, 5):
        complete(site, row, row, NOW - 600 + row)
    text = 'schema = 1\ntimezone = "UTC"\n' + LIMITED
    here = campus(tmp_path / "a", f"sqlite:///{site.path}", text, extra=f'[privacy]\ndecisions_keep = "{keep}"')
    clock = ManualClock(NOW)
    await worked(here, clock)
    clock.at += 401 * DAY
    complete(site, 5, 5, clock.now() - 60)
    await worked(here, clock)
    told = here.command("events", "explain", "moodle:4").stdout
    assert ("is forgotten" in told) == (keep == "400d"), told
    assert "gave moodle:35 10 points" in here.command("events", "explain", "moodle:1").stdout
    assert here.json("ledger", "verify")["findings"] == []
    assert [row["amount"] for row in here.export()] == ["10"] * 4


async def test_posts_that_no_source_reads_any_more_go_with_what_is_forgotten(tmp_path: Path) -> None:
    async with office(tmp_path, LIMITED) as here:
        inbox = await Inbox.open(tmp_path)
        await inbox.append("gone", here.clock.now() - 31 * DAY, Evidence.file, b"{}")
        await inbox.append("gone", here.clock.now(), Evidence.file, b"{}")
        await inbox.close()
        await forgetting(here).look()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as kept:
        assert kept.execute("SELECT no FROM post").fetchall() == [(2,)]


async def test_an_erasure_that_was_broken_off_before_its_bytes_were_written_anew_is_finished_by_itself(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, LIMITED) as here:
        await here.take(four_lessons())
        await here.writer.run(delivery.keep_settings({BYTES_DUE: "1"}))
        await forgetting(here).look()
        assert rows(tmp_path, "SELECT 1 FROM setting WHERE key = ?", BYTES_DUE) == []
        assert file.ledger_path(tmp_path).with_name(f"{file.FILE_NAME}-wal").stat().st_size < 40_000
