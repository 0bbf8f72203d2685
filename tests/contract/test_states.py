"""The reading of state tables answers alike in every dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from agent.collectors.states.collector import StateCollector
from agent.collectors.systems import moodle
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


def graded(site: Site, grade: int, learner: int, at: int, *, born: int = 0, value: int = 90) -> None:
    """A grade as it stands in the gradebook, given at a time; ``born`` is when its item was made."""
    put(
        site, "grade_items", id=grade, courseid=3, itemtype="mod", itemmodule="workshop", iteminstance=grade,
        itemnumber=0, gradetype=1, grademax=100, grademin=0, timecreated=born,
    )  # fmt: skip
    put(site, "grade_grades", id=grade, itemid=grade, userid=learner, finalgrade=value, timemodified=at)


async def test_a_grade_that_was_told_when_its_learner_got_it_is_not_found_by_when_it_was_given(
    site: Site, clock: HandClock
) -> None:
    # A workshop is graded, and closed days later: only then its grades are told, and they keep the time before.
    given, got = NOW - 9 * 24 * HOUR, NOW - 5 * 24 * HOUR
    log(site, 1, timecreated=given - HOUR)
    for number, (learner, told) in enumerate(((35, "90.00000"), (36, "40.00000")), 11):
        graded(site, number, learner, given)
        log(
            site, number, eventname=r"\core\event\user_graded", relateduserid=learner, objecttable="grade_grades",
            objectid=number, timecreated=got, other=f'{{"itemid":"{number}","finalgrade":"{told}"}}',
        )  # fmt: skip
    async with looking(site, clock) as look:
        seen = await look.seen()
        assert [one.people["subject"] for one in seen] == ["36"], "of whom another grade was told"


def done(site: Site, number: int, module: int, at: int) -> None:
    """An activity that somebody completed, with nothing in the log."""
    put(
        site, "course_modules_completion", id=number, coursemoduleid=module, userid=30 + number, completionstate=1,
        timemodified=at,
    )  # fmt: skip


async def test_what_was_done_before_contents_were_imported_is_no_copy_and_before_a_restore_it_is(
    site: Site, clock: HandClock
) -> None:
    log(site, 1, timecreated=NOW - 30 * 24 * HOUR)
    for course, mode in ((3, 20), (4, 10)):
        put(site, "course_modules", id=course, course=course, module=1, instance=1, section=1, completion=1)
        done(site, course, course, NOW - 2 * HOUR)
        log(
            site, course, eventname=moodle.COURSE_RESTORED, objecttable="course", objectid=course, courseid=course,
            timecreated=NOW - HOUR, origin="restore", other=f'{{"type":"course","target":1,"mode":{mode}}}',
        )  # fmt: skip
    async with looking(site, clock) as look:
        assert [one.people["subject"] for one in await look.seen()] == ["33"]
        assert look.state.counts["states_copied"] == 1


async def test_what_came_out_of_the_recycle_bin_is_a_copy_where_that_is_sure_and_held_where_it_is_not(
    site: Site, clock: HandClock
) -> None:
    log(site, 1, timecreated=NOW - 30 * 24 * HOUR)
    log(
        site, 2, eventname=moodle.BIN_RESTORED, objecttable="tool_recyclebin_course", objectid=1,
        timecreated=NOW - HOUR, userid=2,
    )  # fmt: skip
    weeks = 7 * 24 * HOUR
    # Each activity keeps when its original was added; the third is a copy of the first, made after the second.
    for module, added in ((71, NOW - 4 * weeks), (72, NOW - 2 * weeks), (73, NOW - 4 * weeks)):
        put(site, "course_modules", id=module, course=3, module=1, instance=1, section=1, completion=1, added=added)
    done(site, 1, 73, NOW - 3 * weeks)
    done(site, 2, 73, NOW - 2 * HOUR)
    done(site, 3, 72, NOW - 2_400)
    graded(site, 81, 34, NOW - 3 * weeks, born=NOW - HOUR)
    async with looking(site, clock) as look:
        seen = await look.seen()
        assert [(one.people["subject"], *one.marks) for one in seen] == [("32", "backdated"), ("33",)]
        assert look.state.counts["states_copied"] == 2


async def test_a_grade_whose_item_is_hidden_until_a_date_is_shown_again_when_it_is_over(
    site: Site, clock: HandClock
) -> None:
    demand = replace(DEMAND, facts=frozenset({"grade_shown"}))
    for number, until in ((11, NOW + HOUR), (12, 1), (13, 0)):
        graded(site, number, 30 + number, NOW - 2 * HOUR)
        site.execute("UPDATE mdl_grade_items SET hidden = ? WHERE id = ?", (until, number))
        log(
            site, number, eventname=r"\core\event\user_graded", relateduserid=30 + number, objecttable="grade_grades",
            objectid=number, timecreated=NOW - 2 * HOUR, other=f'{{"itemid":"{number}","finalgrade":"90.00000"}}',
        )  # fmt: skip
    async with looking(site, clock) as look:
        assert not any(page.again for page in await look.pages(demand))
        assert not any(page.again for page in await look.pages(demand)), "it is hidden"
        clock.pass_s(2 * HOUR)
        again = [page for page in await look.pages(demand) if page.again]
        assert [(one.people["subject"], dict(one.facts)) for page in again for one in page.observations] == [
            ("41", {"grade_shown": True})
        ]
        site.execute("UPDATE mdl_grade_items SET hidden = 0, timemodified = ? WHERE id = 12", (clock.now(),))
        clock.pass_s(HOUR)
        again = [page for page in await look.pages(demand) if page.again]
        assert [one.people["subject"] for page in again for one in page.observations] == ["42"]
        assert not any(page.again for page in await look.pages(DEMAND)), "nobody waits for it"


async def test_what_was_done_in_a_time_that_retention_took_from_the_log_is_found_and_held(
    site: Site, clock: HandClock
) -> None:
    log(site, 1, timecreated=NOW - 400 * HOUR)
    async with looking(site, clock) as look:
        assert await look.seen() == []
        clock.pass_s(600 * HOUR)
        site.execute("DELETE FROM mdl_logstore_standard_log")
        log(site, 50, timecreated=NOW + 500 * HOUR)
        completed(site, 1, 35, NOW + 100 * HOUR)
        completed(site, 2, 36, NOW + 550 * HOUR)
        seen = await look.seen()
    assert {one.people["subject"]: one.marks for one in seen} == {"35": frozenset({"backdated"}), "36": frozenset()}


async def test_what_a_replica_that_stood_still_for_hours_shows_afterwards_is_found(
    site: Site, clock: HandClock
) -> None:
    put(site, "course_modules", id=7, course=3, module=1, instance=1, section=1, completion=1)
    log(site, 1, timecreated=NOW - HOUR)
    async with looking(site, clock) as look:
        for _ in range(6):
            assert await look.seen() == []
            clock.pass_s(HOUR)
        for hour in range(1, 6):
            log(site, 1 + hour, timecreated=NOW + hour * HOUR)
        put(site, "course_modules_completion", id=1, coursemoduleid=7, userid=35, completionstate=1,
            timemodified=NOW + HOUR // 2)  # fmt: skip
        (seen,) = await look.seen()
        assert (seen.kind, seen.occurred_at, seen.marks) == ("lesson.completed", NOW + HOUR // 2, frozenset())
        clock.pass_s(HOUR)
        log(site, 9, timecreated=NOW + 6 * HOUR, origin=None)
        log(site, 10, timecreated=NOW + 7 * HOUR - 60)
        assert await look.seen() == [], "what is read again is not told for ever"
