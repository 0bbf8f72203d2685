"""The reading of state tables answers alike in every dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from agent.collectors.states.collector import StateCollector
from agent.config.kinds import KindTable
from agent.model import Demand, Observation, Page, SourceState
from tests.sites import EVERYTHING, NOW, HandClock, Site, log, put

DEMAND = replace(EVERYTHING, patterns=frozenset({"forum.*"}))
HOUR = 3_600


class Looking:
    """One collector of a site's state tables, which goes on from where it stood."""

    def __init__(self, site: Site, clock: HandClock) -> None:
        self.collector = StateCollector(site.options(), clock, KindTable, every_s=900.0, begins=lambda: 0)
        self.state = SourceState()

    async def pages(self, demand: Demand = DEMAND) -> list[Page]:
        """Another walk."""
        pages = [page async for page in self.collector.pages(self.state, lambda: demand, follow=False)]
        self.state = pages[-1].state
        return pages

    async def seen(self) -> list[Observation]:
        """What another walk finds."""
        return [one for page in await self.pages() for one in page.observations]


@asynccontextmanager
async def looking(site: Site, clock: HandClock) -> AsyncIterator[Looking]:
    """A collector that is closed in the end."""
    found = Looking(site, clock)
    try:
        yield found
    finally:
        await found.collector.close()


def completed(site: Site, number: int, learner: int, at: int) -> None:
    """A course that was completed, as cron writes it."""
    put(site, "course_completions", id=number, userid=learner, course=3, timecompleted=at)


async def test_a_course_completed_without_a_log_row_is_found_and_one_that_was_told_is_not(
    site: Site, clock: HandClock
) -> None:
    at = NOW - 7_200
    log(site, 1, timecreated=at - 3_600)
    log(site, 2, eventname=r"\core\event\course_completed", relateduserid=36, contextinstanceid=3, timecreated=at + 60)
    for number, learner in enumerate((35, 36), 1):
        completed(site, number, learner, at)
    async with looking(site, clock) as look:
        seen = await look.seen()
        assert [(one.kind, dict(one.people), one.course) for one in seen] == [
            ("course.completed", {"subject": "35"}, "3")
        ]
        assert not seen[0].marks
        assert look.state.counts.get("tables_unreadable", 0) == 0


async def test_a_course_that_cron_completed_late_is_found_by_the_daily_look_once(site: Site, clock: HandClock) -> None:
    log(site, 1, timecreated=NOW - 30 * 24 * HOUR)
    async with looking(site, clock) as look:
        assert await look.seen() == []
        clock.pass_s(23 * HOUR)
        assert await look.seen() == []
        completed(site, 1, 35, clock.now() - 4 * HOUR)  # its criteria were met four hours ago
        completed(site, 2, 36, clock.now() - 5 * HOUR)
        completed(site, 3, 37, clock.now() - 6 * 24 * HOUR)
        log(
            site, 2, eventname=r"\core\event\course_completed", relateduserid=36, contextinstanceid=3,
            timecreated=clock.now(),
        )  # fmt: skip
        assert await look.seen() == [], "younger rows are what every walk looks at"
        clock.pass_s(HOUR)
        found = await look.seen()
        assert [(one.people["subject"], *one.marks) for one in found] == [("35",), ("37", "backdated")]
        assert look.state.counts["states_late"] == 2
        clock.pass_s(24 * HOUR)
        assert await look.seen() == []


async def test_late_rows_that_lie_far_apart_are_looked_at_apart_so_that_no_question_spans_the_table(
    site: Site, clock: HandClock
) -> None:
    log(site, 1, timecreated=NOW - 30 * 24 * HOUR)
    async with looking(site, clock) as look:
        await look.seen()
        clock.pass_s(24 * HOUR)
        for number, learner in ((1, 35), (1_000, 36), (1_001, 37), (2_500, 38)):
            completed(site, number, learner, clock.now() - 4 * HOUR)
        pages = [page async for page in look.collector.pages(look.state, lambda: DEMAND, follow=False)]
    parts = [[one.people["subject"] for one in page.observations] for page in pages]
    assert [part for part in parts if part] == [["35", "36"], ["37"], ["38"]]


async def test_what_every_walk_has_seen_is_not_looked_at_again_by_the_daily_look(site: Site, clock: HandClock) -> None:
    log(site, 1, timecreated=NOW - 30 * 24 * HOUR)
    async with looking(site, clock) as look:
        await look.seen()
        clock.pass_s(2 * HOUR)
        completed(site, 1, 35, clock.now() - HOUR)
        (first,) = await look.seen()
        clock.pass_s(3 * HOUR)
        await look.seen()
        clock.pass_s(21 * HOUR)
        assert await look.seen() == []
    async with looking(site, clock) as again:  # an agent that was started again knows no more: the same fact
        again.state = replace(look.state, proven_at=0)
        (same,) = await again.seen()
        assert same.natural_key == first.natural_key


async def test_a_rating_says_how_much_by_points_or_scale_and_whether_a_teacher_gave_it(
    site: Site, clock: HandClock
) -> None:
    at = NOW - 7_200
    log(site, 1, timecreated=at - 3_600)
    put(site, "role", id=3, shortname="editingteacher", archetype="editingteacher")
    put(site, "context", id=84, contextlevel=50, instanceid=3, path="/1/84")
    put(site, "context", id=90, contextlevel=70, instanceid=70, path="/1/84/90")
    put(site, "role_assignments", id=1, roleid=3, contextid=84, userid=40)
    put(site, "forum_discussions", id=50, course=3, forum=7, name="D", firstpost=60, userid=35)
    put(
        site, "forum_posts", id=60, discussion=50, parent=0, userid=35, created=at, modified=at, subject="S", message=""
    )
    put(site, "scale", id=2, name="Ways of knowing", scale="Separate,Mixed,Constructive")
    given = {"contextid": 90, "component": "mod_forum", "ratingarea": "post", "itemid": 60}
    times = {"timecreated": at, "timemodified": at}
    for number, (rater, value, scale) in enumerate(((40, 3, -2), (36, 4, 5), (37, 2, -9)), 1):
        put(site, "rating", id=number, userid=rater, rating=value, scaleid=scale, **given, **times)
    async with looking(site, clock) as look:
        seen = await look.seen()
    facts = {
        one.people["actor"]: {name: one.facts.get(name) for name in ("rating", "rating_pct", "rating_word", "by_staff")}
        for one in seen
    }
    assert facts == {
        "40": {"rating": 3, "rating_pct": 100, "rating_word": "constructive", "by_staff": True},
        "36": {"rating": 4, "rating_pct": 80, "rating_word": None, "by_staff": False},
        "37": {"rating": 2, "rating_pct": None, "rating_word": None, "by_staff": False},
    }


async def test_what_a_state_table_tells_while_roles_cannot_be_read_is_shown_again_once_they_can_be(
    site: Site, clock: HandClock
) -> None:
    demand = replace(DEMAND, facts=frozenset({"staff"}))
    log(site, 1, timecreated=NOW - 30 * 24 * HOUR)
    for number, learner in enumerate((35, 36), 1):
        completed(site, number, learner, NOW - number * HOUR)
    site.execute("ALTER TABLE mdl_role_assignments RENAME TO away")
    async with looking(site, clock) as look:
        blind = await look.pages(demand)
        assert [mark for page in blind for one in page.observations for mark in one.person_marks.values()] == [
            "roles_unknown", "roles_unknown"
        ]  # fmt: skip
        assert look.state.unsure == (NOW - 2 * HOUR - 1, NOW - HOUR)
        clock.pass_s(2 * HOUR)
        assert not any(page.again for page in await look.pages(demand)), "nothing is known yet"
        site.execute("ALTER TABLE away RENAME TO mdl_role_assignments")
        shown = [page for page in await look.pages(demand) if page.again]
        assert [one.people["subject"] for page in shown for one in page.observations] == ["35", "36"]
        assert not any(one.person_marks for page in shown for one in page.observations)
        assert look.state.unsure == (0, 0)
        assert not any(page.again for page in await look.pages(demand))


async def test_what_came_into_a_state_table_while_it_could_not_be_read_is_found_once_it_can_be(
    site: Site, clock: HandClock
) -> None:
    log(site, 1, timecreated=NOW - 30 * 24 * HOUR)
    async with looking(site, clock) as look:
        assert await look.seen() == []
        site.execute("ALTER TABLE mdl_course_completions RENAME TO away")
        for _ in range(3):
            clock.pass_s(3 * HOUR)
            assert await look.seen() == []
        since = look.state.counts["course_completions_unread_since"]
        assert NOW - 2 * HOUR < since < NOW
        site.execute("ALTER TABLE away RENAME TO mdl_course_completions")
        completed(site, 1, 35, NOW + HOUR)
        completed(site, 2, 36, NOW - 24 * HOUR)
        assert [(one.people["subject"], *one.marks) for one in await look.seen()] == [("35",)]
        assert "course_completions_unread_since" not in look.state.counts
        clock.pass_s(3 * HOUR)
        assert await look.seen() == []
