"""A table that cannot be read for a while: its rows are shown again, with everything known, when it can be read."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.dialects.database import Answer, Query, Unreadable
from agent.collectors.logstore.dialects.sqlite import SqliteDatabase
from agent.collectors.logstore.options import Limits, LogstoreOptions
from agent.collectors.systems.moodle import GRADED, QUIZ_SUBMITTED
from agent.collectors.unsure import SURE
from agent.demo.campus import DAY_S
from agent.demo.founding import create
from agent.demo.life import Life
from agent.engine.sighting.again import merged
from agent.engine.trust import tag_all
from agent.model import Event, SourceState, Trust
from tests.sites import (
    EVERYTHING,
    NOW,
    VIEWED,
    HandClock,
    Site,
    SqliteSite,
    collecting,
    log,
    pages_of,
    put,
    wanting,
)

STAFF = wanting(VIEWED, facts=["staff"])
AWAY = "ALTER TABLE mdl_role_assignments RENAME TO away"
BACK = "ALTER TABLE away RENAME TO mdl_role_assignments"


async def test_what_could_not_be_looked_up_is_shown_again_once_it_can_be(site: Site, clock: HandClock) -> None:
    log(site, 1, 2, 3, 4, 5, eventname=VIEWED)
    site.execute(AWAY)
    limits = Limits(page_rows_max=2)
    async with collecting(site.options(), clock, limits=limits) as collector:
        blind = await pages_of(collector, demand=STAFF)
        assert {mark for page in blind for one in page.observations for mark in one.person_marks.values()} == {
            "roles_unknown"
        }
        stood = blind[-1].state
        assert (stood.position, stood.unsure) == (5, (0, 5))
        still = await pages_of(collector, stood, STAFF)
        assert ([page.again for page in still], still[-1].state.unsure) == ([False], (0, 5)), "nothing is known yet"
        site.execute(BACK)
        log(site, 6, eventname=VIEWED)
        pages = await pages_of(collector, stood, STAFF)
    again = [page for page in pages if page.again]
    assert [[one.position for one in page.observations] for page in again] == [[1, 2], [3, 4], [5]]
    assert not any(one.person_marks for page in pages for one in page.observations)
    assert [page.state.unsure for page in again] == [(2, 5), (4, 5), (0, 0)]
    assert [page.state.position for page in again] == [5, 5, 5], "where the log is read goes on by itself"
    assert [one.position for page in pages if not page.again for one in page.observations] == [6]
    assert pages[-1].state.counts["rows_wanted"] == 6
    assert not collector.degraded


async def test_while_the_agent_follows_new_rows_come_between(site: Site, clock: HandClock) -> None:
    log(site, 1, 2, 3, eventname=VIEWED)
    limits = Limits(page_rows_max=1)
    options = replace(site.options(), poll_interval_s=0.01, limits=limits)
    seen: list[tuple[bool, int]] = []
    async with collecting(options, clock) as collector:
        async for page in collector.pages(
            SourceState(position=3, start_at=0, unsure=(0, 3)), lambda: STAFF, follow=True
        ):
            for one in page.observations:
                seen.append((page.again, one.position))
                if one.position < 3 and page.again:
                    log(site, one.position + 3, eventname=VIEWED)
            if page.state.unsure == (0, 0) and page.state.position == 5:
                break
    assert [position for again, position in seen if again] == [1, 2, 3]
    assert any(first[0] and not second[0] for first, second in pairwise(seen[:-1])), "new rows did not have to wait"


async def test_whether_an_attempt_was_a_preview_is_unknown_without_the_attempts(site: Site, clock: HandClock) -> None:
    put(site, "quiz_attempts", id=1, uniqueid=1, quiz=2, userid=35, preview=1)
    log(site, 1, eventname=QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=1, relateduserid=35)
    site.execute("ALTER TABLE mdl_quiz_attempts RENAME TO away")
    async with collecting(site.options(), clock) as collector:
        (page,) = await pages_of(collector, demand=wanting(QUIZ_SUBMITTED))
        assert [set(one.marks) for one in page.observations] == [{"preview_unknown"}]
        site.execute("ALTER TABLE away RENAME TO mdl_quiz_attempts")
        shown = await pages_of(collector, page.state, wanting(QUIZ_SUBMITTED))
    assert [(page.again, set(one.marks)) for page in shown for one in page.observations] == [
        (True, {"backdated", "preview"})
    ]


async def test_a_mark_that_came_while_quizzes_could_not_be_read_brings_its_score_once_they_can_be(
    site: Site, clock: HandClock
) -> None:
    put(site, "modules", id=16, name="quiz")
    put(site, "course_modules", id=12, course=3, module=16, instance=2, section=9)
    put(site, "quiz", id=2, name="Q", sumgrades=4)
    put(site, "quiz_attempts", id=1, uniqueid=1, quiz=2, userid=35, attempt=1, sumgrades=None, state="finished")
    put(site, "grade_items", id=6, courseid=3, itemtype="mod", itemmodule="quiz", iteminstance=2, grademin=0,
        grademax=8, gradepass=6)  # fmt: skip
    log(site, 1, eventname=QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=1, relateduserid=35,
        contextlevel=70, contextinstanceid=12)  # fmt: skip
    demand = wanting(QUIZ_SUBMITTED, facts=["score_pct"])
    async with collecting(site.options(), clock) as collector:
        (first,) = await pages_of(collector, demand=demand)
        site.execute("UPDATE mdl_quiz_attempts SET sumgrades = 3")
        site.execute("ALTER TABLE mdl_quiz RENAME TO away")
        log(site, 2, eventname=GRADED, objecttable="grade_grades", objectid=1, userid=65, relateduserid=35,
            other='{"itemid": 6, "finalgrade": 6}', timecreated=NOW - 50)  # fmt: skip
        blind = await pages_of(collector, first.state, demand)
        site.execute("ALTER TABLE away RENAME TO mdl_quiz")
        shown = await pages_of(collector, blind[-1].state, demand)
    assert [one.facts.get("score_pct") for page in (first, *blind) for one in page.observations] == [None, None]
    assert [(page.again, one.facts.get("score_pct")) for page in shown for one in page.observations] == [(True, 75)]


class Failing(SqliteDatabase):
    """A file that cannot answer one question beside the log: number ``fails`` of those that were ``asked``."""

    def __init__(self, options: LogstoreOptions, fails: int) -> None:
        super().__init__(options, urlsplit(options.url))
        self.fails, self.asked = fails, 0

    def _run(self, query: Query) -> Answer:
        if not query.tables or "log" in query.tables:
            return super()._run(query)
        self.asked += 1
        if self.asked == self.fails:
            return Unreadable(table=query.tables[0], denied=True, reason=query.sql)
        return super()._run(query)


async def known_in_the_end(site: SqliteSite, fails: int) -> tuple[dict[bytes, Event], int]:
    """Every event of one run, as it is known when question ``fails`` could not be answered; how many were asked."""
    options = replace(site.options(), site_admins=frozenset({2}), text_key=b"k")
    database = Failing(options, fails)
    known: dict[bytes, Event] = {}
    async with AsyncExitStack() as stack:
        collector = LogstoreCollector(options, HandClock(), log=database)
        stack.push_async_callback(collector.close)
        pages = await pages_of(collector, demand=EVERYTHING)
    assert pages[-1].state.unsure == SURE
    for page in pages:
        for event in tag_all(page.observations, Trust.server_verified):
            before = known.get(event.event_id)
            known[event.event_id] = event if before is None else merged(before, event) or before
    return known, database.asked


async def test_whichever_question_is_not_answered_once_everything_is_known_when_the_run_ends(tmp_path: Path) -> None:
    campus = create(tmp_path / "campus.db", born_at=NOW - 20 * DAY_S)
    life = Life(campus, seed=7)
    life.history(until=NOW - NOW % DAY_S + DAY_S // 2, days=1)
    life.close()
    site = SqliteSite(tmp_path / "campus.db")
    site.execute(f"UPDATE mdl_quiz SET timeclose = {NOW - DAY_S}")
    site.execute(f"UPDATE mdl_course_modules SET completionexpected = {NOW + DAY_S}")
    truth, asked = await known_in_the_end(site, 0)
    assert asked >= 35
    for fails in range(1, asked + 1):
        known, _ = await known_in_the_end(site, fails)
        assert known.keys() == truth.keys()
        for key, event in known.items():
            assert event == replace(truth[key], seen=replace(truth[key].seen, position=event.seen.position)), fails
