"""What no post told is found in the site and paid once, whichever way comes first; copies and the past are not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.moodlews.reconcile import WebServiceStates
from agent.config.kinds import KindTable
from agent.errors import TransientError
from agent.model import Evidence, Observation
from tests.integration.webservices.campus import (
    COURSE,
    FORUM,
    LEARNER,
    PAGE,
    QUIZ,
    TEACHER,
    Hosted,
    completed,
    done,
    hosted,
    submitted,
)
from tests.rule_stories import rule
from tests.sites import NOW, put

LESSON = rule()
START: dict[str, Any] = {"start_at": NOW - 86_400, "gap_patience_s": 600}
"""Payment begins a day ago; half of the tests look for the first time before anything happens."""


def told(at: Hosted) -> list[Observation]:
    return [seen for page in at.pages for seen in page.observations]


async def began(at: Hosted) -> None:
    """The site was walked through before anything happened."""
    await at.walk()
    at.clock.at += 3_600


async def test_a_completion_that_no_post_told_is_paid_once_however_often_one_looks(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, **START) as at:
        await began(at)
        done(at.site, at=NOW + 60)
        for _ in range(3):
            await at.walk()
            at.clock.at += 900
        assert at.at.balances() == {"35": 10}
        (seen,) = [one for one in told(at) if one.lesson == str(PAGE)][:1]
        assert (seen.evidence, seen.section, dict(seen.people)) == (Evidence.web_service, None, {"subject": "35"})
        assert (seen.site, seen.source) == ("moodle", "ws/state")


Step = Callable[[Hosted], Coroutine[Any, Any, None]]


async def _post(at: Hosted) -> None:
    await at.post(completed(at=NOW + 62))


async def _walk(at: Hosted) -> None:
    await at.walk()


@pytest.mark.parametrize("steps", sorted(set(permutations((_post, _walk, _post, _walk))), key=str))
async def test_the_post_and_the_walk_pay_once_in_any_order(tmp_path: Path, steps: tuple[Step, ...]) -> None:
    async with hosted(tmp_path, rule(more='once_per = "event"'), **START) as at:
        await began(at)
        done(at.site, at=NOW + 60)
        for step in steps:
            await step(at)
            at.clock.at += 900
        assert at.at.balances() == {"35": 10}


async def test_what_has_not_stood_for_the_patience_is_left_to_its_post(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, **START) as at:
        await began(at)
        done(at.site, at=int(at.clock.at) - 599)
        await at.walk()
        assert at.at.balances() == {}
        at.clock.at += 600
        await at.walk()
        assert at.at.balances() == {"35": 10}


async def test_nothing_before_the_start_pays_and_what_was_before_the_first_look_is_held(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, **START) as at:
        done(at.site, at=NOW - 90_000)
        done(at.site, QUIZ, at=NOW - 3_600)
        await at.walk()
        assert at.at.balances() == {}
        assert at.at.reasons() == ["backdated"]
        assert [one.lesson for one in told(at)] == [str(QUIZ)]


async def test_a_start_of_now_pays_nothing_that_was_there(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, start_at="now", gap_patience_s=600) as at:
        done(at.site, at=NOW - 3_600)
        await began(at)
        await at.walk()
        assert (told(at), at.at.balances()) == ([], {})


def restored(at: Hosted, course: int, lesson: int) -> None:
    """A course that was not there before, with an activity of its own."""
    put(at.site, "course", id=course, shortname=f"C{course}", idnumber="", startdate=0, category=2, fullname="Copy")
    put(at.site, "course_sections", id=course + 100, course=course, section=1, name="One")
    put(
        at.site, "course_modules", id=lesson, course=course, module=2, instance=6, section=course + 100, completion=2,
        deletioninprogress=0,
    )  # fmt: skip
    put(at.site, "enrol", id=course, enrol="manual", courseid=course)
    put(at.site, "user_enrolments", id=course + 900, enrolid=course, userid=LEARNER)


async def test_what_a_restore_copied_is_not_paid_and_what_is_done_in_the_copy_is(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, **START) as at:
        await began(at)
        done(at.site, at=NOW + 600)
        await at.walk()
        assert at.at.balances() == {"35": 10}
        at.clock.at += 1_200
        restored(at, 9, 201)
        done(at.site, 201, at=NOW + 3_100)
        restored(at, 10, 202)
        done(at.site, 202, at=int(at.clock.at) - 700)
        await at.walk()
        assert at.at.balances() == {"35": 20}
        assert at.pages[-1].state.counts["states_copied"] == 1
        assert {one.lesson for one in told(at)} == {str(PAGE), "202"}


async def test_an_activity_that_was_hidden_from_us_is_held_and_not_paid(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, **START) as at:
        await began(at)
        await at.walk()
        put(
            at.site, "course_modules", id=150, course=COURSE, module=2, instance=8, section=11, completion=2,
            deletioninprogress=0,
        )  # fmt: skip
        done(at.site, 150, at=int(at.clock.at) - 300)
        at.clock.at += 1_200
        await at.walk()
        assert (at.at.balances(), at.at.reasons()) == ({}, ["backdated"])


async def test_grades_and_completed_courses_are_found_and_are_one_with_their_posts(tmp_path: Path) -> None:
    rules = rule("grade.awarded", 'once_per = "event"\nconditions = { score_pct = ">=50" }', name="g") + rule(
        "course.completed", 'once_per = "event"', name="c", award="100"
    )
    async with hosted(tmp_path, rules, **START) as at:
        await began(at)
        put(
            at.site, "grade_items", id=21, courseid=COURSE, itemtype="mod", itemmodule="quiz", iteminstance=5,
            grademin=0, grademax=10,
        )  # fmt: skip
        put(at.site, "grade_grades", id=301, itemid=21, userid=LEARNER, finalgrade=6.66667, timemodified=NOW + 100)
        put(at.site, "course_completions", userid=LEARNER, course=COURSE, timecompleted=NOW + 100)
        at.clock.at += 1_200
        await at.walk()
        assert at.at.balances() == {"35": 110}
        graded = submitted(
            301, eventname=r"\core\event\user_graded", objecttable="grade_grades", contextlevel="50",
            contextinstanceid=str(COURSE), timecreated=str(NOW + 100), other_itemid="21",
            other_finalgrade="6.666666666667",
        )  # fmt: skip
        finished = submitted(
            5, eventname=r"\core\event\course_completed", objecttable="course_completions", contextlevel="50",
            contextinstanceid=str(COURSE), timecreated=str(NOW + 400),
        )  # fmt: skip
        await at.post(graded, finished)
        await at.walk()
        assert at.at.balances() == {"35": 110}
        (grade,) = [one for one in told(at) if one.kind == "grade.awarded" and one.source == "ws/state"][:1]
        assert grade.lesson == str(QUIZ)


RATED = {
    "points": (10, 8, 'rating = ">=8", rating_pct = 80, by_staff = true'),
    "a scale": (-2, 3, 'rating_word = "constructive", rating_pct = 100, by_staff = true'),
}


@pytest.mark.parametrize("how", RATED)
async def test_a_rating_is_found_with_its_rater_the_author_and_what_it_says(tmp_path: Path, how: str) -> None:
    scale, given, conditions = RATED[how]
    rules = (
        f'[[rule]]\nid = "r"\non = "forum.rated"\naward = 5\nrecipient = "author"\nconditions = {{ {conditions} }}\n'
    )
    async with hosted(tmp_path, rules, **START) as at:
        await began(at)
        at.site.execute("UPDATE mdl_forum SET scale = ? WHERE id = 7", (scale,))
        put(at.site, "scale", id=2, name="Ways of knowing", scale="Separate,Mixed, Constructive")
        put(at.site, "forum_discussions", id=50, course=COURSE, forum=7, name="D", firstpost=60, userid=LEARNER)
        for number in (60, 61):
            put(
                at.site, "forum_posts", id=number, discussion=50, parent=number - 60 and 60, userid=LEARNER,
                created=NOW, modified=NOW, subject="S", message="Hello",
            )  # fmt: skip
        put(
            at.site, "rating", id=1, contextid=1, component="mod_forum", ratingarea="post", itemid=61, scaleid=scale,
            rating=given, userid=TEACHER, timecreated=NOW + 50, timemodified=NOW + 50,
        )  # fmt: skip
        at.clock.at += 1_200
        await at.walk()
        await at.walk()
        assert at.at.balances() == {"35": 5}
        (seen,) = told(at)[:1]
        assert (seen.post, seen.lesson, dict(seen.people)) == (
            "61", str(FORUM), {"actor": "40", "subject": "35", "author": "35"}
        )  # fmt: skip
        assert at.web.functions_asked().count("core_rating_get_item_ratings") == 2, "only of posts that have any"


async def test_a_site_that_is_away_in_the_middle_of_a_walk_is_walked_again(tmp_path: Path) -> None:
    async with hosted(tmp_path, rule(more='conditions = { section_progress_pct = ">0" }'), **START) as at:
        await began(at)
        done(at.site, at=NOW + 60)
        at.web.moods.codes["core_completion_get_activities_completion_status"] = "sitemaintenance"
        with pytest.raises(TransientError, match="maintenance"):
            await at.walk()
        at.web.moods.codes.clear()
        at.clock.at += 60
        await at.walk()
        assert at.at.balances() == {"35": 10}


async def test_a_site_that_does_not_tell_its_courses_says_what_is_missing(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, **START) as at:
        at.web.moods.codes["core_course_get_courses_by_field"] = "accessexception"
        with pytest.raises(TransientError, match="does not tell the courses") as caught:
            await at.walk()
        assert "core_course_get_courses_by_field" in caught.value.hint


async def test_only_what_rules_want_is_asked_for(tmp_path: Path) -> None:
    async with hosted(tmp_path, rule("user.logged_in"), **START) as at:
        await began(at)
        await at.walk()
    assert set(at.web.functions_asked()) == {"core_course_get_courses_by_field", "core_course_get_contents"}


async def test_what_a_walk_found_while_a_right_was_missing_is_shown_again_once_it_is_given(tmp_path: Path) -> None:
    async with hosted(tmp_path, rule(more='once_per = "section"'), **START) as at:
        await began(at)
        at.web.moods.codes["core_enrol_get_enrolled_users"] = "nopermissions"
        done(at.site, at=NOW + 60)
        await at.walk()
        assert told(at) == [], "nobody knows who is in the course"
        at.clock.at += 86_400
        at.web.moods.codes = {"core_course_get_contents": "nopermissions"}
        await at.walk()
        assert at.at.reasons() == ["no section"]
        assert at.pages[-1].state.unsure == (NOW + 59, NOW + 60)
        at.clock.at += 86_400
        at.web.moods.codes.clear()
        await at.walk()
        assert at.at.balances() == {"35": 10}
        assert at.pages[-1].state.unsure == (0, 0)


async def test_what_happened_while_completions_were_refused_is_found_when_they_are_told(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, **START) as at:
        await began(at)
        at.web.moods.codes["core_completion_get_activities_completion_status"] = "nopermissions"
        done(at.site, at=NOW + 60)
        for _ in range(2):
            at.clock.at += 86_400
            await at.walk()
        since = at.pages[-1].state.counts["completions_unread_since"]
        assert since < NOW + 60
        at.web.moods.codes.clear()
        at.clock.at += 900
        await at.walk()
        assert at.at.balances() == {"35": 10}
        assert "completions_unread_since" not in at.pages[-1].state.counts


OTHER, LAB = 4, 104
"""Another course, and the page in it."""


def another_course(at: Hosted) -> None:
    put(at.site, "course", id=OTHER, shortname="CHE101", idnumber="", startdate=NOW - 90_000, category=2, fullname="C")
    put(
        at.site, "course_modules", id=LAB, course=OTHER, module=2, instance=8, section=12, completion=2,
        deletioninprogress=0,
    )  # fmt: skip
    put(at.site, "course_sections", id=12, course=OTHER, section=1, name="One")
    put(at.site, "enrol", id=2, enrol="manual", courseid=OTHER)
    put(at.site, "user_enrolments", id=77, enrolid=2, userid=LEARNER)
    put(at.site, "context", id=85, contextlevel=50, instanceid=OTHER, path="/1/85", depth=2)
    put(at.site, "role_assignments", id=77, roleid=5, contextid=85, userid=LEARNER)


def unread(at: Hosted) -> set[str]:
    return {name for name in at.pages[-1].state.counts if "unread" in name}


async def test_what_happened_in_a_course_that_was_closed_to_us_is_found_once_it_is_opened(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, **START) as at:
        another_course(at)
        await began(at)
        at.web.moods.closed = {OTHER}
        done(at.site, at=NOW + 60)
        done(at.site, LAB, at=NOW + 61)
        for _ in range(2):
            at.clock.at += 86_400
            await at.walk()
        assert at.at.balances() == {"35": 10}
        assert unread(at) == {"completions_unread_since_in_4"}
        at.web.moods.closed.clear()
        at.clock.at += 900
        await at.walk()
        assert at.at.balances() == {"35": 20}
        assert unread(at) == set()
    assert len(told(at)) == 2, "what the other course told is not told again"


async def test_what_happened_in_a_course_that_was_hidden_from_us_is_found_once_it_is_shown(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON, **START) as at:
        another_course(at)
        walks = WebServiceStates(at.service, at.clock, KindTable, every_s=900.0)
        await at.take(walks)
        at.web.moods.hidden = {OTHER}
        done(at.site, LAB, at=NOW + 61)
        for _ in range(2):
            at.clock.at += 86_400
            await at.take(walks)
        assert unread(at) == {"completions_unread_since_in_4"}
        at.web.moods.hidden.clear()
        await at.walk()  # of an agent that was started anew
        assert at.at.balances() == {"35": 10}
        assert unread(at) == set()


async def test_what_learners_of_other_groups_did_is_found_once_we_may_see_them(tmp_path: Path) -> None:
    rules = LESSON + rule("grade.awarded", 'once_per = "event"', name="g", award="3")
    async with hosted(tmp_path, rules, **START) as at:
        await began(at)
        at.web.moods.strangers = {36}
        put(
            at.site, "grade_items", id=21, courseid=COURSE, itemtype="mod", itemmodule="quiz", iteminstance=5,
            grademin=0, grademax=10,
        )  # fmt: skip
        for number, learner in enumerate((LEARNER, 36)):
            done(at.site, learner=learner, at=NOW + 60)
            put(
                at.site, "grade_grades", id=number, itemid=21, userid=learner, finalgrade=6, timemodified=NOW + 61
            )  # fmt: skip
        for _ in range(2):
            at.clock.at += 86_400
            await at.walk()
        assert at.at.balances() == {"35": 13}
        assert unread(at) == {"completions_unread_since_in_3_of_36", "grades_unread_since_in_3_of_36"}
        at.web.moods.strangers.clear()
        await at.walk()
        assert at.at.balances() == {"35": 13, "36": 13}
    assert len(told(at)) == 4


async def test_a_course_without_completion_tracking_is_not_asked_for_completions(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON + rule("course.completed", name="c"), **START) as at:
        at.web.moods.untracked = {COURSE}
        await began(at)
        await at.walk()
    assert not any(function.startswith("core_completion") for function in at.web.functions_asked())
    assert unread(at) == set()
