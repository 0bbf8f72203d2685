"""The capture of a real Moodle, read by the collector and counted independently in SQL."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from agent.collectors.systems import moodle
from agent.model import Observation
from tests import servers
from tests.sites import EVERYTHING, HandClock, collecting, options_for, read

LOG = "FROM mdl_logstore_standard_log WHERE anonymous = 0 AND eventname"


async def observed(database: servers.MariaDatabase) -> list[Observation]:
    clock = HandClock()
    async with collecting(options_for(database), clock, site_admins=frozenset({2})) as collector:
        seen, state = await read(collector, demand=EVERYTHING)
        assert set(collector.degraded) <= servers.NOT_CAPTURED, "which the capture has not"
        told = state.counts["rows_wanted"] + state.counts["rows_shown_again"]
        assert told == len(seen) + state.counts["rows_anonymous"]
    first: dict[int, Observation] = {}
    for one in seen:
        first.setdefault(one.position, one)
    return list(first.values())


def count(database: servers.MariaDatabase, condition: str) -> int:
    return int(database.execute(f"SELECT COUNT(*) {LOG} {condition}")[0][0])


async def test_every_kind_is_observed_as_often_as_sql_counts_it(shared_capture: servers.MariaDatabase) -> None:
    kinds = Counter(one.kind for one in await observed(shared_capture))
    completion = r"= '\\core\\event\\course_module_completion_updated' AND other REGEXP"
    plain = {
        "course.completed": r"= '\\core\\event\\course_completed'",
        "quiz.submitted": r"= '\\mod_quiz\\event\\attempt_submitted'",
        "assignment.submitted": r"= '\\mod_assign\\event\\assessable_submitted'",
        "forum.posted": r"IN ('\\mod_forum\\event\\post_created', '\\mod_forum\\event\\discussion_created')",
        "lesson.viewed": r"LIKE '%\\\\course\\_module\\_viewed'",
        "course.viewed": r"= '\\core\\event\\course_viewed'",
        "user.logged_in": r"= '\\core\\event\\user_loggedin'",
        "badge.awarded": r"= '\\core\\event\\badge_awarded'",
        "lesson.completed": completion + """ 'completionstate"(:|;i:)[12]'""",
        "lesson.uncompleted": completion + """ 'completionstate"(:|;i:)0'""",
    }
    assert {kind: kinds[kind] for kind in plain} == {kind: count(shared_capture, sql) for kind, sql in plain.items()}
    items = shared_capture.execute(
        "SELECT i.itemtype, COUNT(*) FROM mdl_logstore_standard_log l JOIN mdl_grade_grades g ON g.id = l.objectid "
        "JOIN mdl_grade_items i ON i.id = g.itemid "
        "WHERE l.eventname = %s AND l.objectid > 0 AND l.anonymous = 0 GROUP BY i.itemtype",
        (moodle.GRADED,),
    )
    assert {"mod": kinds["grade.awarded"], "course": kinds["course.graded"]} == dict(items)


async def test_no_two_completions_or_grades_of_one_second_are_taken_for_one(
    shared_capture: servers.MariaDatabase,
) -> None:
    seen = [
        one
        for one in await observed(shared_capture)
        if one.lms_event in {moodle.COMPLETION, moodle.GRADED} and not one.marks
    ]
    keys = Counter(one.natural_key for one in seen)
    without_detail = Counter(one.natural_key[:-1] for one in seen)
    assert sum(number - 1 for number in without_detail.values()) > 60
    assert sum(number - 1 for number in keys.values()) < 10


async def test_every_completion_pays_the_learner_and_not_who_caused_it(shared_capture: servers.MariaDatabase) -> None:
    seen = [one for one in await observed(shared_capture) if one.lms_event == moodle.COMPLETION]
    related = dict(shared_capture.execute(f"SELECT id, relateduserid {LOG} = %s", (moodle.COMPLETION,)))
    assert {one.position: int(one.people["subject"]) for one in seen} == related


async def test_quiz_scores_are_those_of_the_tables(shared_capture: servers.MariaDatabase) -> None:
    seen = [one for one in await observed(shared_capture) if one.kind == "quiz.submitted"]
    stored = shared_capture.execute(
        "SELECT l.id, a.sumgrades, q.sumgrades FROM mdl_logstore_standard_log l "
        "JOIN mdl_quiz_attempts a ON a.id = l.objectid JOIN mdl_quiz q ON q.id = a.quiz WHERE l.eventname = %s "
        "AND a.sumgrades IS NOT NULL AND q.sumgrades > 0",
        (moodle.QUIZ_SUBMITTED,),
    )
    expected = {row[0]: 100 * Fraction(row[1]) / Fraction(row[2]) for row in stored}
    assert {one.position: one.facts["score_pct"] for one in seen if "score_pct" in one.facts} == expected


async def test_restored_rows_are_exactly_those_whose_origin_says_so(shared_capture: servers.MariaDatabase) -> None:
    seen = {one.position for one in await observed(shared_capture) if "restored" in one.marks}
    stored = shared_capture.execute(
        "SELECT id, origin, objectid FROM mdl_logstore_standard_log WHERE anonymous = 0 "
        "AND (origin IS NULL OR origin = 'restore' OR objectid IN (-31337, -31338))"
    )
    assert seen <= {row[0] for row in stored}
    assert len(seen) > 100


async def test_the_retention_hole_is_one_gap(shared_capture: servers.MariaDatabase) -> None:
    clock = HandClock()
    async with collecting(options_for(shared_capture), clock) as collector:
        _, state = await read(collector, demand=EVERYTHING)
    assert (101, 199) in [(gap.lo, gap.hi) for gap in state.gaps]
    stored = shared_capture.execute("SELECT MAX(id) - COUNT(*) FROM mdl_logstore_standard_log")
    assert sum(gap.missing for gap in state.gaps) == stored[0][0]


async def test_no_text_that_a_learner_wrote_is_in_an_observation(shared_capture: servers.MariaDatabase) -> None:
    told = repr(await observed(shared_capture))
    essays = shared_capture.execute("SELECT onlinetext FROM mdl_assignsubmission_onlinetext")
    posts = shared_capture.execute("SELECT message FROM mdl_forum_posts WHERE CHAR_LENGTH(message) > 10")
    assert essays
    assert posts
    assert not [text for (text,) in (*essays, *posts) if text[:40] in told]
