"""What every dialect of the log-table collector reports of a row: marks, look-ups, what is lost, live questions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.dialects.database import RANGES_PER_QUERY
from agent.collectors.logstore.history import History
from agent.collectors.logstore.options import Limits
from agent.collectors.logstore.probe import probe
from agent.collectors.systems import moodle
from agent.errors import InvalidInputError
from agent.model import SourceState
from tests.sites import (
    EVERYTHING,
    NOW,
    UNWANTED,
    VIEWED,
    HandClock,
    Site,
    SqliteSite,
    collecting,
    log,
    put,
    read,
    wanting,
)


async def test_anonymous_rows_are_counted_and_nothing_else(site: Site, clock: HandClock) -> None:
    log(site, 1, anonymous=1)
    log(site, 2)
    async with collecting(site.options(), clock) as collector:
        seen, state = await read(collector)
    assert ([one.position for one in seen], state.counts["rows_anonymous"]) == ([2], 1)


async def test_rows_that_never_earn_are_marked_with_why(site: Site, clock: HandClock) -> None:
    log(site, 1, origin=None)
    log(site, 2, origin="restore")
    log(site, 3, objectid=-31337)
    log(site, 4, realuserid=2)
    for position, user in ((5, 1), (6, 0), (7, -1), (8, 2)):
        log(site, position, userid=user)
    log(site, 10, userid=-20)
    put(site, "user", id=40, username="gone", deleted=1)
    log(site, 9, userid=40)
    async with collecting(site.options(), clock, site_admins=frozenset({2})) as collector:
        seen, _ = await read(collector)
    assert [set(one.marks) for one in seen[:4]] == [{"restored"}, {"restored"}, {"restored"}, {"logged_in_as"}]
    marks = [dict(one.person_marks) for one in seen[4:]]
    assert marks == [
        {"1": "guest"}, {"0": "nobody"}, {"-1": "system"}, {"2": "site_admin"}, {"40": "deleted"}, {"-20": "system"}
    ]  # fmt: skip


async def test_a_time_in_milliseconds_is_counted_and_stops_nothing(site: Site, clock: HandClock) -> None:
    log(site, 1, timecreated=NOW * 1000)
    log(site, 2)
    async with collecting(site.options(), clock) as collector:
        seen, state = await read(collector)
    assert ([one.position for one in seen], state.counts["rows_of_no_time"]) == ([2], 1)


async def test_a_related_user_of_zero_is_nobody_else(site: Site, clock: HandClock) -> None:
    log(site, 1, relateduserid=0)
    async with collecting(site.options(), clock) as collector:
        (seen,), _ = await read(collector)
    assert (seen.people["subject"], dict(seen.person_marks)) == ("35", {})


async def test_teachers_are_staff_where_they_teach_and_below(site: Site, clock: HandClock) -> None:
    put(site, "role", id=3, shortname="editingteacher", archetype="editingteacher")
    put(site, "role", id=5, shortname="student", archetype="student")
    for number, level, instance, path in ((1, 10, 0, "/1"), (20, 40, 6, "/1/20"), (84, 50, 3, "/1/20/84")):
        put(site, "context", id=number, contextlevel=level, instanceid=instance, path=path)
    put(site, "context", id=90, contextlevel=50, instanceid=4, path="/1/90")
    put(site, "role_assignments", id=1, roleid=3, contextid=20, userid=65)
    put(site, "role_assignments", id=2, roleid=5, contextid=84, userid=35)
    log(site, 1, 2, userid=65)
    log(site, 3, userid=65, courseid=4)
    log(site, 4, userid=65, courseid=0)
    log(site, 5, userid=35)
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(VIEWED, facts=["staff", "roles"]))
    assert [dict(one.person_marks) for one in seen] == [{"65": "staff"}, {"65": "staff"}, {}, {}, {}]
    assert seen[0].facts["roles:65"] == ("editingteacher",)
    assert seen[4].facts["roles:35"] == ("student",)


async def test_a_row_much_older_than_its_elders_is_backdated_even_inside_one_block(
    site: Site, clock: HandClock
) -> None:
    day = 86_400
    log(site, 1, 3, timecreated=NOW - 10 * day)
    log(site, 2, timecreated=NOW - 10 * day)
    log(site, 4, timecreated=NOW - 5 * day)
    log(site, 5, timecreated=NOW - 6 * day - 1)
    log(site, 6, timecreated=NOW - 6 * day)
    log(site, 7, eventname=UNWANTED, timecreated=NOW - 3 * day)
    log(site, 8, timecreated=NOW - 5 * day)
    log(site, 12, timecreated=NOW - 4 * day)
    log(site, 13, timecreated=NOW - 4 * day - 1)
    async with collecting(site.options(), clock, backdated_after_s=day) as collector:
        seen, state = await read(collector)
    assert [one.position for one in seen if "backdated" in one.marks] == [5, 8, 13]
    assert state.high_water == NOW - 3 * day


async def test_a_row_from_a_clock_gone_wrong_makes_no_later_one_look_old(site: Site, clock: HandClock) -> None:
    log(site, 1, timecreated=NOW + 400 * 86_400)
    log(site, 2, 3, timecreated=NOW - 30 * 86_400)
    async with collecting(site.options(), clock) as collector:
        seen, state = await read(collector)
    assert [one.marks for one in seen] == [frozenset()] * 3
    assert state.high_water == NOW - 30 * 86_400


async def test_an_elder_a_little_ahead_of_the_clock_is_an_elder_whenever_the_log_is_read(
    site: Site, clock: HandClock
) -> None:
    # Elders later than the machine's clock did not count, so that a log read at once paid what it held a week later.
    day = 86_400
    log(site, 1, timecreated=NOW + 2 * day)
    log(site, 2, 3, timecreated=NOW)
    log(site, 4, timecreated=NOW + day)
    for days_later in (0, 9):
        clock.wall = NOW + days_later * day
        async with collecting(site.options(), clock, backdated_after_s=day) as collector:
            seen, state = await read(collector)
        assert [one.position for one in seen if "backdated" in one.marks] == [2, 3]
        assert state.high_water == NOW + 2 * day


async def test_a_row_that_fills_a_gap_is_compared_with_its_own_elders(site: Site, clock: HandClock) -> None:
    day = 86_400
    log(site, 1, timecreated=NOW - 9 * day)
    log(site, 4, timecreated=NOW - day)
    async with collecting(site.options(), clock, backdated_after_s=day) as collector:
        _, state = await read(collector)
        log(site, 2, timecreated=NOW - 9 * day)
        seen, state = await read(collector, state)
        log(site, 3, timecreated=NOW - 11 * day)
        clock.pass_s(60)
        more, state = await read(collector, state)
    assert [(one.position, set(one.marks)) for one in [*seen, *more]] == [(2, set()), (3, {"backdated"})]


async def test_both_encodings_of_other_stand_in_one_log(site: Site, clock: HandClock) -> None:
    event = moodle.COMPLETION
    log(site, 1, eventname=event, relateduserid=35, other='{"overrideby":null,"completionstate":1}')
    log(site, 2, eventname=event, relateduserid=35, other='a:2:{s:10:"overrideby";i:65;s:15:"completionstate";i:0;}')
    log(site, 3, eventname=event, relateduserid=35, other="{broken")
    async with collecting(site.options(), clock) as collector:
        seen, state = await read(collector, demand=wanting(event, facts=["completion_state", "overridden"]))
    assert [(one.kind, one.natural_key[-1]) for one in seen] == [
        ("lesson.completed", "1"), ("lesson.uncompleted", "0"), (None, "")
    ]  # fmt: skip
    assert [dict(one.facts) for one in seen] == [
        {"completion_state": 1, "overridden": False}, {"completion_state": 0, "overridden": True}, {"overridden": False}
    ]  # fmt: skip
    assert state.counts["rows_unreadable_other"] == 1


async def test_the_text_of_an_essay_is_never_fetched(site: Site, clock: HandClock) -> None:
    event = r"\assignsubmission_onlinetext\event\assessable_uploaded"
    log(site, 1, eventname=event, other='{"content":"my whole essay"}')
    async with collecting(site.options(), clock) as collector:
        seen, state = await read(collector, demand=replace(EVERYTHING, names=EVERYTHING.names | {event}))
    assert len(seen) == 1
    assert "essay" not in repr(seen) + repr(state)


async def test_quiz_look_ups_give_exact_scores_and_mark_previews(site: Site, clock: HandClock) -> None:
    put(site, "quiz", id=2, name="Q", sumgrades=3, timeclose=NOW - 3_700)
    put(site, "quiz_attempts", id=1, uniqueid=1, quiz=2, userid=35, attempt=2, sumgrades=2, preview=0)
    put(site, "quiz_attempts", id=2, uniqueid=2, quiz=2, userid=65, attempt=1, sumgrades=3, preview=1)
    put(site, "quiz_attempts", id=3, uniqueid=3, quiz=2, userid=36, attempt=1, sumgrades=None, preview=0)
    for position in (1, 2, 3):
        log(site, position, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=position,
            relateduserid=35)  # fmt: skip
    facts = ["score_pct", "attempt", "late_by", "on_time"]
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(moodle.QUIZ_SUBMITTED, facts=facts))
    assert dict(seen[0].facts) == {"score_pct": Fraction(200, 3), "attempt": 2, "late_by": 100, "on_time": False}
    assert (seen[1].marks, seen[1].facts["score_pct"]) == (frozenset({"preview"}), 100)
    assert "score_pct" not in seen[2].facts


async def test_a_quiz_that_is_marked_later_is_shown_again_with_its_score(site: Site, clock: HandClock) -> None:
    put(site, "modules", id=16, name="quiz")
    put(site, "course_modules", id=12, course=3, module=16, instance=2, section=9)
    put(site, "quiz", id=2, name="Q", sumgrades=4)
    put(site, "quiz_attempts", id=1, uniqueid=1, quiz=2, userid=35, attempt=1, sumgrades=None, state="finished")
    put(site, "grade_items", id=6, courseid=3, itemtype="mod", itemmodule="quiz", iteminstance=2, grademin=0,
        grademax=8, gradepass=6)  # fmt: skip
    log(site, 1, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=1, relateduserid=35,
        contextlevel=70, contextinstanceid=12)  # fmt: skip
    demand = wanting(moodle.QUIZ_SUBMITTED, facts=["score_pct"])
    async with collecting(site.options(), clock) as collector:
        (first,), state = await read(collector, demand=demand)
        site.execute("UPDATE mdl_quiz_attempts SET sumgrades = 3")
        other = '{"itemid": 6, "finalgrade": 6}'
        log(site, 2, eventname=moodle.GRADED, objecttable="grade_grades", objectid=1, userid=35, relateduserid=35,
            other=other, timecreated=NOW - 60)  # fmt: skip
        own, state = await read(collector, state, demand)
        log(site, 3, eventname=moodle.GRADED, objecttable="grade_grades", objectid=1, userid=65, relateduserid=35,
            other=other, timecreated=NOW - 50)  # fmt: skip
        (second,), state = await read(collector, state, demand)
    assert own == [], "a quiz that graded itself had its score at once"
    assert "score_pct" not in first.facts
    assert (second.position, second.natural_key, second.occurred_at) == (1, first.natural_key, first.occurred_at)
    assert second.facts["score_pct"] == 75
    assert state.position == 3


@pytest.mark.parametrize("event", [moodle.QUIZ_GRADED, moodle.QUIZ_MARKED])
async def test_an_attempt_that_is_graded_later_is_shown_again_though_no_grade_of_the_quiz_tells_so(
    site: Site, clock: HandClock, event: str
) -> None:
    # Cron grades it, or the grade of the quiz stays what another attempt made it.
    put(site, "quiz", id=2, name="Q", sumgrades=4)
    put(site, "quiz_attempts", id=1, uniqueid=1, quiz=2, userid=35, attempt=1, sumgrades=None, state="submitted")
    about = {"objecttable": "quiz_attempts", "objectid": 1, "relateduserid": 35, "contextlevel": 70}
    log(site, 1, eventname=moodle.QUIZ_SUBMITTED, contextinstanceid=12, **about)
    demand = wanting(moodle.QUIZ_SUBMITTED, facts=["score_pct"])
    async with collecting(site.options(), clock) as collector:
        (first,), state = await read(collector, demand=demand)
        site.execute("UPDATE mdl_quiz_attempts SET sumgrades = 3, state = 'finished'")
        log(site, 2, eventname=event, contextinstanceid=12, userid=2, origin="cli", timecreated=NOW - 60, **about)
        (second,), _ = await read(collector, state, demand)
    assert "score_pct" not in first.facts
    assert (second.position, second.natural_key, second.facts["score_pct"]) == (1, first.natural_key, 75)


async def test_a_question_that_is_marked_by_hand_is_told_of_its_attempt_and_of_whose_it_was(
    site: Site, clock: HandClock
) -> None:
    # The grade of the quiz stays what another attempt made it, and two attempts are marked on one page.
    put(site, "quiz", id=2, name="Q", sumgrades=4)
    put(site, "enrol", id=1, enrol="manual", courseid=3, status=0)
    for number, learner in ((1, 35), (2, 36)):
        put(site, "quiz_attempts", id=number, uniqueid=number, quiz=2, userid=learner, attempt=1, sumgrades=None,
            state="finished")  # fmt: skip
        put(site, "user_enrolments", id=number, enrolid=1, userid=learner, timestart=NOW - 900, timecreated=NOW - 900)
    where = {"contextlevel": 70, "contextinstanceid": 12}
    log(site, 1, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=1, relateduserid=35, **where)
    demand = wanting(moodle.QUIZ_SUBMITTED, facts=["score_pct"])
    marks = wanting(moodle.QUIZ_QUESTION_MARKED, facts=["score_pct", "since_enrolment", "staff"])
    async with collecting(site.options(), clock) as collector:
        (first,), state = await read(collector, demand=demand)
        site.execute("UPDATE mdl_quiz_attempts SET sumgrades = id + 1")
        for position, attempt in ((2, "1"), (3, '"2"')):
            log(site, position, eventname=moodle.QUIZ_QUESTION_MARKED, objecttable="question", objectid=7, userid=65,
                relateduserid=None, other=f'{{"quizid":"2","attemptid":{attempt},"slot":1}}', timecreated=NOW - 60,
                **where)  # fmt: skip
        (again,), _ = await read(collector, state, demand)
        marked, _ = await read(collector, state, marks)
    assert "score_pct" not in first.facts
    assert (again.position, again.natural_key, again.facts["score_pct"]) == (1, first.natural_key, 50)
    assert [(one.kind, one.people["subject"], one.people["actor"]) for one in marked] == [
        ("quiz.regraded", "35", "65"),
        ("quiz.regraded", "36", "65"),
    ]
    assert [(one.object_table, one.object_id, one.facts["score_pct"]) for one in marked] == [
        ("quiz_attempts", "1", 50),
        ("quiz_attempts", "2", 75),
    ]
    assert [one.facts["since_enrolment"] for one in marked] == [840, 840]
    assert marked[0].natural_key != marked[1].natural_key


async def test_an_attempt_comes_again_right_before_its_mark_and_for_the_first_time_in_its_own_turn(
    site: Site, clock: HandClock
) -> None:
    put(site, "modules", id=16, name="quiz")
    put(site, "course_modules", id=12, course=3, module=16, instance=2, section=9)
    put(site, "quiz", id=2, name="Q", sumgrades=4)
    put(site, "grade_items", id=6, courseid=3, itemtype="mod", itemmodule="quiz", iteminstance=2, grademin=0,
        grademax=8, gradepass=6)  # fmt: skip
    attempts = {1: (35, 35), 3: (36, 9), 5: (37, 37)}  # row: learner, who submitted it: 9 is cron's administrator
    for row, (learner, actor) in attempts.items():
        put(site, "quiz_attempts", id=row, uniqueid=row, quiz=2, userid=learner, attempt=1, sumgrades=3,
            state="finished")  # fmt: skip
        log(site, row, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=row, userid=actor,
            relateduserid=learner, contextlevel=70, contextinstanceid=12)  # fmt: skip
    log(site, 2, 7)
    for row, learner in ((4, 37), (6, 37), (8, 35), (9, 36), (10, 36)):
        log(site, row, eventname=moodle.GRADED, objecttable="grade_grades", objectid=row, userid=65,
            relateduserid=learner, other='{"itemid": 6, "finalgrade": 6}')  # fmt: skip
    demand = wanting(moodle.QUIZ_SUBMITTED, VIEWED, facts=["score_pct"])
    for rows, expected in ((100, [1, 2, 3, 5, 7]), (4, [1, 2, 3, 5, 7, 1, 3])):
        limits = Limits(page_rows_max=rows)
        async with collecting(site.options(), clock, limits=limits, site_admins=frozenset({9})) as collector:
            seen, _ = await read(collector, demand=demand)
        assert [one.position for one in seen] == expected, f"in pages of {rows}"


async def test_a_grade_is_that_of_its_moment_and_names_its_activity(site: Site, clock: HandClock) -> None:
    put(site, "grade_items", id=6, courseid=3, itemtype="mod", itemmodule="quiz", iteminstance=2, grademin=0,
        grademax=8, gradepass=6)  # fmt: skip
    put(site, "grade_items", id=4, courseid=3, itemtype="course", grademin=0, grademax=100, gradepass=0)
    put(site, "grade_grades", id=1, itemid=6, userid=35, finalgrade=8)
    put(site, "modules", id=16, name="quiz")
    put(site, "course_modules", id=12, course=3, module=16, instance=2, section=8)
    for position, other in enumerate(
        ('{"itemid":"6","finalgrade":"5.00000"}', '{"itemid":4,"finalgrade":66.66667}', "N;"), 1
    ):
        log(
            site,
            position,
            eventname=moodle.GRADED,
            objecttable="grade_grades",
            objectid=1,
            relateduserid=35,
            other=other,
        )
    facts = ["score_pct", "passed", "grade", "module"]
    async with collecting(site.options(), clock) as collector:
        activity, total, bare = (await read(collector, demand=wanting(moodle.GRADED, facts=facts)))[0]
    assert (activity.kind, activity.lesson, activity.section, activity.natural_key[-1]) == (
        "grade.awarded",
        "12",
        "8",
        "5",
    )
    assert dict(activity.facts) == {"score_pct": Fraction(125, 2), "passed": False, "grade": 5, "module": "quiz"}
    assert (total.kind, total.lesson, total.natural_key[-1]) == ("course.graded", None, "66.66667")
    assert (bare.kind, bare.facts["grade"], bare.natural_key[-1]) == ("grade.awarded", 8, "")


async def test_what_went_with_its_activity_or_an_enrolment_was_not_undone(site: Site, clock: HandClock) -> None:
    put(site, "modules", id=9, name="forum")
    for module, going in ((12, 0), (13, 1)):
        put(site, "course_modules", id=module, course=3, module=9, instance=module, section=9, deletioninprogress=going)
    deleted = r"\mod_forum\event\post_deleted"
    posts = {"eventname": deleted, "objecttable": "forum_posts", "contextlevel": 70}
    for position, module in ((1, 12), (2, 13), (3, 14)):
        log(site, position, objectid=position, relateduserid=35, contextinstanceid=module, userid=65, **posts)
    fell = {"eventname": moodle.COMPLETION, "objecttable": "course_modules_completion", "contextlevel": 70,
            "contextinstanceid": 12, "userid": 65, "other": '{"completionstate":0}'}  # fmt: skip
    went = {"eventname": moodle.GRADE_DELETED, "objecttable": "grade_grades", "userid": 65}
    log(site, 4, objectid=1, relateduserid=35, **fell)
    log(site, 5, userid=37)
    log(site, 6, objectid=9, relateduserid=35, **went)
    log(site, 7, objectid=2, relateduserid=35, **fell)
    log(site, 8, objectid=8, relateduserid=36, **went)
    log(site, 9, objectid=3, relateduserid=35, **fell)
    log(site, 10, eventname=moodle.GRADED, objecttable="grade_grades", objectid=7, userid=65, relateduserid=35)
    log(site, 11, objectid=7, relateduserid=35, **went)
    events = (deleted, moodle.COMPLETION, moodle.GRADE_DELETED)
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(*events))
    assert [one.position for one in seen if "cleared" in one.marks] == [2, 4, 6, 8, 11], "of a forum and of grades"
    assert [one.kind for one in seen if "cleared" not in one.marks] == [
        "forum.post_deleted",
        "forum.post_deleted",
        "lesson.uncompleted",
        "lesson.uncompleted",
    ]


async def test_of_what_is_told_thrice_of_one_act_within_a_second_the_one_between_was_overtaken(
    site: Site, clock: HandClock
) -> None:
    row = {"eventname": moodle.COMPLETION, "objecttable": "course_modules_completion", "contextlevel": 70}
    told = [(35, 12, 1), (35, 12, 0), (36, 12, 0), (35, 12, 1), (36, 12, 1), (35, 13, 1), (36, 12, 0), (35, 13, 0)]
    told += [(37, 12, 1), (37, 12, 0), (37, 12, 1), (37, 12, 0), (38, 12, 1), (38, 12, 3), (38, 12, 0), (38, 12, 1)]
    for position, (learner, module, done) in enumerate(told, 1):
        other = f'{{"completionstate":{done}}}'
        log(site, position, objectid=1, relateduserid=learner, contextinstanceid=module, other=other, userid=65, **row)
    for position, done in ((17, 1), (18, 0), (19, 1)):
        other, at = f'a:1:{{s:15:"completionstate";i:{done};}}', NOW + (position == 19)
        log(site, position, objectid=1, relateduserid=39, contextinstanceid=12, other=other, timecreated=at, **row)
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(moodle.COMPLETION))
    assert [one.position for one in seen if "overtaken" in one.marks] == [2, 5, 15]


async def test_posts_whose_forum_or_course_the_same_person_deleted_right_after_went_with_it(
    site: Site, clock: HandClock
) -> None:
    deleted = r"\mod_forum\event\post_deleted"
    post = {"eventname": deleted, "objecttable": "forum_posts", "contextlevel": 70, "relateduserid": 35}
    gone = {"eventname": moodle.MODULE_DELETED, "objecttable": "course_modules", "contextlevel": 70}
    log(site, 1, objectid=1, contextinstanceid=12, userid=65, timecreated=NOW - 5_000, **post)  # an hour before
    log(site, 2, objectid=2, contextinstanceid=12, userid=66, **post)  # somebody else deleted it
    log(site, 3, objectid=3, contextinstanceid=12, userid=65, **post)
    log(site, 4, objectid=4, contextinstanceid=14, userid=65, **post)  # in another forum
    log(site, 5, objectid=12, contextinstanceid=12, userid=65, **gone)
    log(site, 6, objectid=6, contextinstanceid=12, userid=65, **post)  # what stands behind it says nothing
    log(site, 7, objectid=7, contextinstanceid=16, userid=65, courseid=4, **post)
    log(site, 8, objectid=4, userid=65, courseid=4, eventname=moodle.COURSE_CLEARED, contextlevel=50)
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(deleted))
    assert [one.position for one in seen] == [1, 2, 3, 4, 6, 7]
    assert [one.position for one in seen if "cleared" in one.marks] == [3, 7]


async def test_a_discussion_counts_as_its_first_post(site: Site, clock: HandClock) -> None:
    put(site, "forum_discussions", id=3, course=3, forum=1, name="d", firstpost=30, userid=35)
    for post, words in ((30, 264), (31, None)):
        put(site, "forum_posts", id=post, discussion=3, userid=35, message="", wordcount=words, charcount=1_188)
    log(site, 1, eventname=r"\mod_forum\event\discussion_created", objecttable="forum_discussions", objectid=3)
    log(site, 2, eventname=r"\mod_forum\event\post_created", objecttable="forum_posts", objectid=31)
    facts = ["word_count", "char_count", "is_reply"]
    names = (r"\mod_forum\event\discussion_created", r"\mod_forum\event\post_created")
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(*names, facts=facts))
    assert [one.post for one in seen] == ["30", "31"]
    assert dict(seen[0].facts) == {"word_count": 264, "char_count": 1_188, "is_reply": False}
    assert dict(seen[1].facts) == {"char_count": 1_188, "is_reply": True}


async def test_progress_counts_only_what_was_completed_by_then(site: Site, clock: HandClock) -> None:
    put(site, "modules", id=16, name="page")
    for module, section in ((7, 1), (8, 1), (9, 1), (10, 2)):
        put(site, "course_modules", id=module, course=3, module=16, instance=module, section=section, completion=1)
    put(site, "course_modules", id=11, course=3, module=16, instance=11, section=1, completion=0)
    at = NOW - 500
    for number, (module, state, time) in enumerate(((7, 1, at), (8, 3, at), (9, 1, at + 10), (10, 2, at - 9))):
        put(site, "course_modules_completion", id=number + 1, coursemoduleid=module, userid=35, completionstate=state,
            timemodified=time)  # fmt: skip
    for position, time in ((1, at), (2, at + 10)):
        log(site, position, eventname=moodle.COMPLETION, relateduserid=35, contextlevel=70, contextinstanceid=7,
            timecreated=time, other='{"completionstate":1}')  # fmt: skip
    put(site, "course_completions", id=1, userid=36, course=3, timecompleted=at)
    log(site, 3, eventname=moodle.COMPLETION, relateduserid=36, contextlevel=70, contextinstanceid=7,
        timecreated=at, other='{"completionstate":1}')  # fmt: skip
    facts = ["section_progress_pct", "course_progress_pct"]
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(moodle.COMPLETION, facts=facts))
    got = [(one.facts["section_progress_pct"], one.facts["course_progress_pct"]) for one in seen]
    assert got == [(Fraction(100, 3), 50), (Fraction(200, 3), 75), (0, 100)]
    assert {one.section for one in seen} == {"1"}


async def test_the_progress_of_many_learners_counts_what_each_did_among_neighbours_and_far_ones(
    site: Site, clock: HandClock
) -> None:
    put(site, "modules", id=16, name="page")
    there, other = (7, 9, 60, 200), 8
    for module in (*there, other):
        put(site, "course_modules", id=module, course=3, module=16, instance=module, section=1 + (module == other),
            completion=1)  # fmt: skip
    at, learners = NOW - 500, range(35, 35 + RANGES_PER_QUERY)
    done = [(user, module) for user in learners for module in (other, *there[: user % 5])]
    values = [one for number, (user, module) in enumerate(done) for one in (number + 1, module, user, 1, at)]
    columns = "id, coursemoduleid, userid, completionstate, timemodified"
    places = ", ".join(["(?, ?, ?, ?, ?)"] * len(done))
    site.execute(f"INSERT INTO mdl_course_modules_completion ({columns}) VALUES {places}", values)
    for user in learners:
        log(site, user, eventname=moodle.COMPLETION, userid=user, relateduserid=user, contextlevel=70,
            contextinstanceid=7, timecreated=at, other='{"completionstate":1}')  # fmt: skip
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(moodle.COMPLETION, facts=["section_progress_pct"]))
    assert [one.facts["section_progress_pct"] for one in seen] == [25 * (user % 5) for user in learners]


async def test_a_subsection_counts_into_the_section_that_it_lies_in(site: Site, clock: HandClock) -> None:
    put(site, "modules", id=16, name="page")
    put(site, "modules", id=30, name="subsection")
    put(site, "course_sections", id=1, course=3, section=1, name="Week 1")
    put(site, "course_sections", id=5, course=3, section=4, name="Part", component="mod_subsection", itemid=2)
    put(site, "course_modules", id=6, course=3, module=30, instance=2, section=1, completion=0)
    for module, section in ((7, 1), (8, 5), (9, 5), (10, 5)):
        put(site, "course_modules", id=module, course=3, module=16, instance=module, section=section, completion=1)
    at = NOW - 500
    put(site, "course_modules_completion", id=1, coursemoduleid=8, userid=35, completionstate=1, timemodified=at)
    log(site, 1, eventname=moodle.COMPLETION, relateduserid=35, contextlevel=70, contextinstanceid=8,
        timecreated=at, other='{"completionstate":1}')  # fmt: skip
    async with collecting(site.options(), clock) as collector:
        demand = wanting(moodle.COMPLETION, facts=["section_progress_pct", "section"])
        (seen,), _ = await read(collector, demand=demand)
    assert (seen.section, seen.facts["section_progress_pct"]) == ("1", 25)


async def test_a_grade_in_a_subsection_counts_into_its_section_where_a_page_holds_nothing_but_grades(
    site: Site, clock: HandClock
) -> None:
    """Whether subsections were known hung on what else stood in the page."""
    put(site, "modules", id=1, name="assign")
    put(site, "modules", id=30, name="subsection")
    put(site, "course_sections", id=1, course=3, section=1, name="Week 1")
    put(site, "course_sections", id=5, course=3, section=4, name="Part", component="mod_subsection", itemid=2)
    put(site, "course_modules", id=6, course=3, module=30, instance=2, section=1, completion=0)
    for module, section in ((7, 1), (8, 5)):
        put(site, "course_modules", id=module, course=3, module=1, instance=module, section=section, completion=1)
    put(site, "course_modules_completion", id=1, coursemoduleid=8, userid=35, completionstate=1, timemodified=NOW - 600)
    put(site, "grade_items", id=6, courseid=3, itemtype="mod", itemmodule="assign", iteminstance=8, grademin=0,
        grademax=8, gradepass=6)  # fmt: skip
    log(site, 1, eventname=moodle.GRADED, objecttable="grade_grades", objectid=1, userid=65, relateduserid=35,
        other='{"itemid": 6, "finalgrade": 6}', timecreated=NOW - 500)  # fmt: skip
    async with collecting(site.options(), clock) as collector:
        (seen,), _ = await read(collector, demand=wanting(moodle.GRADED, facts=["section_progress_pct", "section"]))
    assert (seen.lesson, seen.section, seen.facts["section_progress_pct"]) == ("8", "1", 50)


async def test_a_moodle_from_before_subsections_has_sections_all_the_same(tmp_path: Path, clock: HandClock) -> None:
    site = SqliteSite(tmp_path / "old.db")
    site.execute("DROP TABLE mdl_course_sections")
    site.execute("CREATE TABLE mdl_course_sections (id INTEGER PRIMARY KEY, course INTEGER, section INTEGER)")
    put(site, "course_modules", id=8, course=3, module=16, instance=8, section=5, completion=1)
    log(site, 1, eventname=moodle.COMPLETION, relateduserid=35, contextlevel=70, contextinstanceid=8,
        other='{"completionstate":1}')  # fmt: skip
    async with collecting(site.options(), clock) as collector:
        demand = wanting(moodle.COMPLETION, facts=["section_progress_pct", "section"])
        (seen,), _ = await read(collector, demand=demand)
    assert (seen.section, seen.facts["section_progress_pct"]) == ("5", 0)


async def test_lateness_knows_the_learners_extension(site: Site, clock: HandClock) -> None:
    due = NOW - 5_000
    put(site, "assign", id=1, course=3, name="a", duedate=due)
    put(site, "assign_user_flags", id=1, userid=36, assignment=1, extensionduedate=due + 4_000)
    for number, user in ((1, 35), (2, 36)):
        put(site, "assign_submission", id=number, assignment=1, userid=user, attemptnumber=0, status="submitted")
        log(site, number, eventname=moodle.ASSIGN_SUBMITTED, objecttable="assign_submission", objectid=number,
            userid=user, timecreated=due + 1_000)  # fmt: skip
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(
            collector, demand=wanting(moodle.ASSIGN_SUBMITTED, facts=["late_by", "on_time", "attempt"])
        )
    assert dict(seen[0].facts) == {"late_by": 1_000, "on_time": False, "attempt": 1}
    assert dict(seen[1].facts) == {"late_by": -3_000, "on_time": True, "attempt": 1}


DUE = NOW - 50_000
ALL_DATES = {35: 0, 36: 1_000, 37: 2_000, 38: 3_000, 39: 1_500, 40: 0, 41: 1_000, 42: None}
"""Learner → seconds by which their own date lies after everybody's: extension, person, groups; None for no date."""


def _assign_dates(site: Site) -> None:
    put(site, "assign", id=1, course=3, name="a", duedate=DUE)
    put(site, "assign_user_flags", id=1, userid=36, assignment=1, extensionduedate=DUE + 1_000)
    overrides = [
        (36, None, None, DUE + 9_000), (37, None, None, DUE + 2_000), (None, 7, 2, DUE + 9_000),
        (None, 8, 1, DUE + 1_500), (40, None, None, None), (41, None, None, DUE + 1_000), (42, None, None, 0),
    ]  # fmt: skip
    for number, (user, group, order, due) in enumerate(overrides, 1):
        put(site, "assign_overrides", id=number, assignid=1, userid=user, groupid=group, sortorder=order, duedate=due)
    put(site, "assign_overrides", id=20, assignid=1, groupid=9, sortorder=3, duedate=DUE + 3_000)
    members = [(7, 39), (8, 39), (8, 40), (7, 41), (9, 38)]
    for number, (group, user) in enumerate(members, 1):
        put(site, "groups_members", id=number, groupid=group, userid=user)


def _quiz_dates(site: Site) -> None:
    put(site, "quiz", id=1, name="q", sumgrades=3, timeclose=DUE)
    overrides = [
        (36, None, DUE + 1_000), (37, None, DUE + 2_000), (None, 7, DUE + 1_500), (None, 8, DUE + 500),
        (40, None, DUE), (41, None, None), (None, 9, DUE + 1_000), (None, 10, 0), (None, 11, DUE + 3_000),
    ]  # fmt: skip
    for number, (user, group, closes) in enumerate(overrides, 1):
        put(site, "quiz_overrides", id=number, quiz=1, userid=user, groupid=group, timeclose=closes)
    members = [(7, 36), (7, 39), (8, 39), (7, 40), (9, 41), (7, 42), (10, 42), (11, 38)]
    for number, (group, user) in enumerate(members, 1):
        put(site, "groups_members", id=number, groupid=group, userid=user)


async def test_a_due_date_is_the_learners_own_as_moodle_works_it_out(site: Site, clock: HandClock) -> None:
    _assign_dates(site)
    for user in ALL_DATES:
        put(site, "assign_submission", id=user, assignment=1, userid=user, attemptnumber=0, status="submitted")
        log(site, user, eventname=moodle.ASSIGN_SUBMITTED, objecttable="assign_submission", objectid=user,
            userid=user, timecreated=DUE + 1_000)  # fmt: skip
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(moodle.ASSIGN_SUBMITTED, facts=["late_by"]))
    late = {one.position: one.facts.get("late_by") for one in seen}
    assert late == {user: None if later is None else 1_000 - later for user, later in ALL_DATES.items()}


async def test_a_quiz_closes_when_it_does_for_the_learner(site: Site, clock: HandClock) -> None:
    _quiz_dates(site)
    put(site, "modules", id=16, name="quiz")
    put(site, "course_modules", id=12, course=3, module=16, instance=1, section=9)
    for user in ALL_DATES:
        put(site, "quiz_attempts", id=user, uniqueid=user, quiz=1, userid=user, attempt=1, sumgrades=2)
        log(site, user, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=user,
            relateduserid=user, timecreated=DUE + 1_000, contextlevel=70, contextinstanceid=12)  # fmt: skip
        log(site, user + 100, eventname=moodle.COMPLETION, relateduserid=user, contextlevel=70, contextinstanceid=12,
            timecreated=DUE + 1_000, other='{"completionstate":1}')  # fmt: skip
    async with collecting(site.options(), clock) as collector:
        demand = wanting(moodle.QUIZ_SUBMITTED, moodle.COMPLETION, facts=["late_by"])
        seen, _ = await read(collector, demand=demand)
    late = {one.position: one.facts.get("late_by") for one in seen}
    expected = {user: None if later is None else 1_000 - later for user, later in ALL_DATES.items()}
    assert {user: late[user] for user in ALL_DATES} == expected
    assert {user: late[user + 100] for user in ALL_DATES} == expected


async def test_course_facts_name_categories_by_name_and_by_path(site: Site, clock: HandClock) -> None:
    put(site, "course_categories", id=1, name="Campus A", path="/1")
    put(site, "course_categories", id=2, name="Safety", path="/1/2")
    put(site, "course", id=3, category=2, shortname="BIO101", idnumber="HS-103", startdate=NOW - 10_000)
    put(site, "enrol", id=4, courseid=3)
    put(site, "user_enrolments", id=1, enrolid=4, userid=35, timestart=0, timecreated=NOW - 9_000)
    put(site, "cohort", id=2, contextid=1, name="Lab cohort", idnumber="LABCOH")
    put(site, "cohort_members", id=1, cohortid=2, userid=35)
    log(site, 1)
    async with collecting(site.options(), clock) as collector:
        (seen,), _ = await read(collector, demand=replace(EVERYTHING, names=frozenset({VIEWED})))
    assert dict(seen.facts) == {
        "origin": "web", "course_id": "3", "course_shortname": "BIO101", "course_idnumber": "HS-103",
        "since_start": 6_400, "since_enrolment": 5_400, "cohorts:35": ("LABCOH", "Lab cohort"), "roles:35": (),
        "course_categories": ("Campus A", "Safety", "Campus A / Safety"),
    }  # fmt: skip


async def test_who_was_enrolled_anew_after_the_act_was_not_early(site: Site, clock: HandClock) -> None:
    put(site, "enrol", id=1, courseid=3)
    put(site, "user_enrolments", id=1, enrolid=1, userid=35, timestart=NOW - 3_000, timecreated=NOW - 3_000)
    put(site, "user_enrolments", id=2, enrolid=1, userid=36, timestart=0, timecreated=NOW - 3_600)
    log(site, 1, 2, timecreated=NOW - 3_600)
    log(site, 3, timecreated=NOW - 2_400)
    site.execute("UPDATE mdl_logstore_standard_log SET userid = 36 WHERE id = 2")
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(VIEWED, facts=["since_enrolment"]))
    assert [dict(one.facts) for one in seen] == [{}, {"since_enrolment": 0}, {"since_enrolment": 600}]


async def test_only_demanded_facts_are_looked_up(site: Site, clock: HandClock) -> None:
    put(site, "quiz_attempts", id=1, uniqueid=1, quiz=2, userid=35, attempt=2, sumgrades=2)
    log(site, 1, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=1, relateduserid=35)
    async with collecting(site.options(), clock) as collector:
        (seen,), _ = await read(collector, demand=wanting(moodle.QUIZ_SUBMITTED))
    assert dict(seen.facts) == {}


async def test_a_missing_table_costs_its_facts_and_not_the_run(site: Site, clock: HandClock) -> None:
    put(site, "quiz_attempts", id=1, uniqueid=1, quiz=2, userid=35, attempt=2, sumgrades=2)
    log(site, 1, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=1, relateduserid=35)
    site.execute("DROP TABLE mdl_quiz")
    site.execute("DROP TABLE mdl_role_assignments")
    facts = ["score_pct", "attempt", "staff"]
    async with collecting(site.options(), clock) as collector:
        (seen,), _ = await read(collector, demand=wanting(moodle.QUIZ_SUBMITTED, facts=facts))
        lost = dict(collector.degraded)
    assert dict(seen.facts) == {"attempt": 2}
    assert dict(seen.person_marks) == {"35": "roles_unknown"}
    assert lost == {"quiz": frozenset({"score_pct"}), "role_assignments": frozenset({"staff"})}


async def test_the_log_may_lie_in_another_database_than_the_rest(site: Site, clock: HandClock, tmp_path: Path) -> None:
    other = SqliteSite(tmp_path / "log.db")
    log(other, 1, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=1, relateduserid=35)
    put(site, "quiz_attempts", id=1, uniqueid=1, quiz=2, userid=35, attempt=2, sumgrades=2)
    async with collecting(site.options(), clock, log_url=other.options().url) as collector:
        (seen,), _ = await read(collector, demand=wanting(moodle.QUIZ_SUBMITTED, facts=["attempt"]))
    assert dict(seen.facts) == {"attempt": 2}


def submitted(site: Site, *ids: int, **columns: object) -> None:
    for number in ids:
        log(site, number, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=number, **columns)


async def test_a_log_is_read_as_far_as_the_replica_goes_that_has_what_its_rows_speak_of(
    site: Site, clock: HandClock, tmp_path: Path
) -> None:
    primary = SqliteSite(tmp_path / "primary.db")
    submitted(primary, 1, 2, 3, timecreated=NOW - 60, relateduserid=35)
    submitted(site, 1, timecreated=NOW - 60, relateduserid=35)
    put(site, "quiz_attempts", id=1, uniqueid=1, quiz=2, userid=35, attempt=1, sumgrades=2)
    wanted = wanting(moodle.QUIZ_SUBMITTED, facts=["attempt"])
    async with collecting(site.options(), clock, log_url=primary.options().url) as collector:
        pages = aiter(collector.pages(SourceState(), lambda: wanted, follow=False))
        page = await anext(pages)
        assert [dict(seen.facts) for seen in page.observations] == [{"attempt": 1}]
        assert (page.state.position, page.newest, page.caught_up) == (1, 3, False)
        following = asyncio.ensure_future(anext(pages))
        await asyncio.sleep(0.1)
        assert not following.done(), "what is not there yet is not read without it"
        for number in (2, 3):
            put(site, "quiz_attempts", id=number, uniqueid=number, quiz=2, userid=35, attempt=number, sumgrades=2)
        submitted(site, 2, 3, timecreated=NOW - 60, relateduserid=35)
        page = await following
        facts = [dict(seen.facts) for seen in page.observations]
        while page.state.position < 3:  # who follows may read between the two rows
            page = await anext(pages)
            facts += [dict(seen.facts) for seen in page.observations]
        assert facts == [{"attempt": 2}, {"attempt": 3}]
        assert page.caught_up
        assert [one async for one in pages] == []


@pytest.mark.parametrize("ranges_max", [1_000, 1])
async def test_a_row_that_the_replica_lacks_among_those_it_has_is_read_once_it_has_it(
    site: Site, clock: HandClock, tmp_path: Path, ranges_max: int
) -> None:
    primary = SqliteSite(tmp_path / "primary.db")
    told = {"timecreated": NOW - 60, "relateduserid": 35}
    submitted(primary, 1, 2, 3, 4, 6, 9, **told)
    submitted(site, 1, 3, 6, 9, **told)
    for number in (1, 3, 6, 9):
        put(site, "quiz_attempts", id=number, uniqueid=number, quiz=2, userid=35, attempt=number, sumgrades=2)
    wanted = wanting(moodle.QUIZ_SUBMITTED, facts=["attempt"])
    limits = Limits(gap_ranges_max=ranges_max)

    async def got(collector: LogstoreCollector, state: SourceState) -> tuple[dict[int, object], SourceState]:
        clock.pass_s(2)
        seen, state = await read(collector, state, wanted)
        return {one.position: one.facts.get("attempt") for one in seen}, state

    async with collecting(site.options(), clock, log_url=primary.options().url, limits=limits) as collector:
        seen, state = await got(collector, SourceState())
        assert seen == {1: 1, 3: 3, 6: 6, 9: 9}
        submitted(primary, 5, 8, **told)
        seen, state = await got(collector, state)
        assert {number: fact for number, fact in seen.items() if number not in {1, 3, 6, 9}} == {}
        for number in (2, 8):
            put(site, "quiz_attempts", id=number, uniqueid=number, quiz=2, userid=35, attempt=number, sumgrades=2)
        submitted(site, 2, 8, **told)
        seen, state = await got(collector, state)
        assert seen.items() >= {2: 2, 8: 8}.items()
        assert not seen.keys() & {4, 5}
        for number in (4, 5):
            put(site, "quiz_attempts", id=number, uniqueid=number, quiz=2, userid=35, attempt=number, sumgrades=2)
        submitted(site, 4, 5, **told)
        seen, state = await got(collector, state)
        assert seen.items() >= {4: 4, 5: 5}.items()
        assert sum(gap.missing for gap in state.gaps) == 1


@pytest.mark.parametrize(("another", "age_s"), [(True, 60), (False, 2 * 86_400)])
async def test_a_log_that_was_moved_away_waits_for_no_table_that_it_left_behind(
    site: Site, clock: HandClock, tmp_path: Path, another: bool, age_s: int
) -> None:
    moved = SqliteSite(tmp_path / "log.db")
    submitted(moved, 1, 2, 3, timecreated=NOW - age_s, relateduserid=35)
    submitted(site, 1, timecreated=NOW - age_s - another, relateduserid=35)
    async with collecting(site.options(), clock, log_url=moved.options().url) as collector:
        seen, state = await read(collector, demand=wanting(moodle.QUIZ_SUBMITTED))
    assert (len(seen), state.position) == (3, 3)


async def test_a_probe_tells_what_is_readable_and_how_old_the_log_is(site: Site) -> None:
    log(site, 5, timecreated=NOW - 50)
    log(site, 9, timecreated=NOW - 20)
    site.execute("DROP TABLE mdl_quiz")
    found = await probe(site.options(), ["score_pct", "attempt"], ["quiz.submitted"])
    assert (found.first_id, found.last_id, found.oldest_at, found.newest_at) == (5, 9, NOW - 50, NOW - 20)
    assert [(table.table, table.facts) for table in found.unreadable] == [("quiz", frozenset({"score_pct"}))]
    assert (found.step, found.too_many_rights) == (1, ())
    assert found.version
    assert found.server


async def test_the_helpdesk_finds_people_and_their_acts(site: Site) -> None:
    put(site, "user", id=35, username="student01", idnumber="S1", email="s1@example.test", mnethostid=1)
    put(site, "user", id=36, username="s1@example.test", idnumber="", email="s2@example.test", mnethostid=1)
    put(site, "course", id=3, category=0, shortname="BIO101", enablecompletion=1)
    put(site, "course_modules", id=7, course=3, module=1, instance=1, section=1, completion=1)
    log(site, 1, 2)
    log(site, 3, anonymous=1)
    log(site, 4, userid=36)
    log(site, 5, eventname=moodle.COMPLETION, userid=65, relateduserid=35, courseid=4, other='{"completionstate":1}')
    history = History(site.options(), HandClock())
    try:
        one = await history.the_user("S1")
        everything = await history.acts_of(one.user_id, EVERYTHING, since=0, until=NOW)
        there = await history.acts_of(one.user_id, EVERYTHING, since=0, until=NOW, course="4")
        with pytest.raises(InvalidInputError, match=r"more than one person: id 36 .*; id 35 "):
            await history.the_user("s1@example.test")
        with pytest.raises(InvalidInputError, match="nobody"):
            await history.the_user("nosuch")
        typed = ("Student01", " S1@Example.Test ", "9" * 30, "9223372036854775808", " ")
        known = [[found.user_id for found in await history.find_user(text)] for text in typed]
        assert known == [["35"], ["36", "35"], [], [], []], "capitals are the same, and no text is too long"
        tracking = await history.completion_tracking("BIO101")
        nothing = await history.completion_tracking("999")
        assert await history.completion_tracking("9" * 30) is None
    finally:
        await history.close()
    assert (one.user_id, one.matched) == ("35", "idnumber")
    assert ([act.position for act in everything], [act.position for act in there]) == ([1, 2, 5], [5])
    assert tracking is not None
    assert (tracking.enabled, tracking.activities, nothing) == (True, 1, None)


async def test_the_helpdesk_can_look_at_one_row_of_the_log_as_it_stands(site: Site) -> None:
    log(site, 1, timecreated=NOW - 50)
    log(site, 2, eventname=UNWANTED, courseid=4, timecreated=NOW - 40)
    log(site, 3, anonymous=1, courseid=1, timecreated=NOW - 30)
    demand = wanting(VIEWED)
    history = History(site.options(), HandClock())
    try:
        seen, unwanted, anonymous = [await history.act_at(position, demand) for position in (1, 2, 3)]
        row, hidden, missing = [await history.row_at(position) for position in (2, 3, 4)]
        ids = await history.ids()
        courses = await history.courses_of("35", since=NOW - 60, until=NOW)
        before = await history.courses_of("35", since=0, until=NOW - 60)
    finally:
        await history.close()
    assert (seen is not None and seen.position, unwanted, anonymous, missing) == (1, None, None, None)
    assert row is not None
    assert (row.position, row.lms_event, row.user, row.course, row.anonymous) == (2, UNWANTED, 35, 4, False)
    assert hidden is not None
    assert (hidden.anonymous, hidden.occurred_at) == (True, NOW - 30)
    assert (ids, courses, before) == ((1, 3), ["3", "4"], [])


async def test_an_empty_log_has_no_ids(site: Site) -> None:
    history = History(site.options(), HandClock())
    try:
        assert await history.ids() == (0, 0)
    finally:
        await history.close()


TEXT = "Cellulose keeps the wall of a plant cell stiff even when it has lost most of its water"
POSTED = r"\mod_forum\event\post_created"


def written(site: Site) -> None:
    """Two posts that say the same in other clothes, the second an answer to the first."""
    for post, user, parent, text in ((31, 36, 0, TEXT), (32, 35, 31, f"<p>{TEXT.upper()}!</p>")):
        put(site, "forum_posts", id=post, discussion=3, userid=user, parent=parent, message=text, wordcount=16)
        log(site, post, eventname=POSTED, objecttable="forum_posts", objectid=post, userid=user)


async def test_like_texts_have_like_digests_and_the_texts_stay_where_they_are(site: Site, clock: HandClock) -> None:
    written(site)
    put(site, "tag", id=4, name="constructive", rawname="Constructive")
    put(site, "tag_instance", id=9, tagid=4, itemtype="forum_posts", itemid=32, component="mod_forum")
    demand = wanting(POSTED, facts=["text_digest", "text_sketch", "reply_to", "tags"])
    options = replace(site.options(), text_key=b"one key")
    async with collecting(options, clock) as collector:
        first, second = (await read(collector, demand=demand))[0]
    assert first.facts["text_digest"] == second.facts["text_digest"]
    assert first.facts["text_sketch"] == second.facts["text_sketch"]
    assert (first.facts.get("reply_to"), second.facts.get("reply_to")) == (None, "36")
    assert (first.facts["tags"], second.facts["tags"]) == ((), ("constructive",))
    assert "cellulose" not in repr((first, second)).casefold()
    async with collecting(replace(options, text_key=b"another"), clock) as collector:
        other, _ = (await read(collector, demand=demand))[0]
    assert other.facts["text_digest"] != first.facts["text_digest"]


async def test_texts_are_read_only_where_something_asks_for_them(site: Site, clock: HandClock) -> None:
    written(site)
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(POSTED, facts=["word_count"]))
    assert [dict(one.facts) for one in seen] == [{"word_count": 16}] * 2


async def test_what_was_handed_in_is_counted_and_digested(site: Site, clock: HandClock) -> None:
    for number, text, files in ((1, TEXT, 0), (2, "<p></p>", 2)):
        put(site, "assign_submission", id=number, assignment=1, userid=35, attemptnumber=number)
        put(site, "assignsubmission_onlinetext", id=number, assignment=1, submission=number, onlinetext=text)
        put(site, "assignsubmission_file", id=number, assignment=1, submission=number, numfiles=files)
        log(site, number, eventname=moodle.ASSIGN_SUBMITTED, objecttable="assign_submission", objectid=number)
    facts = ["files", "essay_words", "text_digest"]
    async with collecting(site.options(), clock) as collector:
        essay, empty = (await read(collector, demand=wanting(moodle.ASSIGN_SUBMITTED, facts=facts)))[0]
    assert (essay.facts["files"], essay.facts["essay_words"], len(str(essay.facts["text_digest"]))) == (0, 18, 16)
    assert dict(empty.facts) == {"files": 2, "essay_words": 0}


async def test_a_tag_is_the_authors_and_says_whether_a_teacher_gave_it(site: Site, clock: HandClock) -> None:
    written(site)
    put(site, "role", id=3, shortname="editingteacher", archetype="editingteacher")
    put(site, "context", id=84, contextlevel=50, instanceid=3, path="/1/84")
    put(site, "role_assignments", id=1, roleid=3, contextid=84, userid=40)
    posts = "forum_posts"
    for number, user, item, kind in ((1, 40, 31, posts), (2, 35, 31, posts), (3, 40, 77, posts), (4, 40, 31, "course")):
        other = f'{{"tagid":4,"tagname":"constructive","itemid":{item},"itemtype":"{kind}"}}'
        log(site, 100 + number, eventname=moodle.TAGGED, objecttable="tag_instance", objectid=number, userid=user,
            other=other)  # fmt: skip
    put(site, "enrol", id=1, enrol="manual", courseid=3, status=0)
    put(site, "user_enrolments", id=1, enrolid=1, userid=36, timestart=0, timecreated=NOW - 4_200)
    facts = ["tag", "by_staff", "staff", "since_enrolment"]
    async with collecting(site.options(), clock) as collector:
        teacher, peer, gone, course = (await read(collector, demand=wanting(moodle.TAGGED, facts=facts)))[0]
    assert (teacher.kind, teacher.post) == ("forum.tagged", "31")
    assert (teacher.people["subject"], teacher.people["actor"]) == ("36", "40")
    assert dict(teacher.facts) == {"tag": "constructive", "by_staff": True, "since_enrolment": 600}
    assert peer.facts["by_staff"] is False
    assert "subject" not in gone.people
    assert (course.kind, "subject" in course.people) == (None, False)


async def test_the_other_forum_of_open_lms_is_counted_and_digested_where_it_is_there(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    site.execute(
        "CREATE TABLE mdl_hsuforum_posts (id INTEGER PRIMARY KEY, parent INTEGER, userid INTEGER, message TEXT)"
    )
    site.execute("INSERT INTO mdl_hsuforum_posts VALUES (5, 0, 36, ?), (6, 5, 35, 'So it is')", (TEXT,))
    for post in (5, 6):
        log(site, post, eventname=r"\mod_hsuforum\event\post_created", objecttable="hsuforum_posts", objectid=post)
    demand = wanting(r"\mod_hsuforum\event\post_created", facts=["word_count", "text_digest", "reply_to"])
    async with collecting(site.options(), HandClock()) as collector:
        first, answer = (await read(collector, demand=demand))[0]
    assert (first.facts["word_count"], answer.facts["word_count"], answer.facts["reply_to"]) == (18, 3, "36")
    assert "text_digest" in first.facts


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        ('{"reset_options":{"id":"3","reset_completion":"1","reset_events":"1"}}', "course.reset"),
        ('a:1:{s:13:"reset_options";a:1:{s:16:"reset_completion";s:1:"1";}}', "course.reset"),
        ('{"reset_options":{"id":"3","reset_events":"1"}}', None),
        ('{"reset_options":[]}', None),
        ("null", None),
    ],
)
async def test_a_reset_of_a_course_is_one_where_its_completions_were_reset(
    site: Site, clock: HandClock, other: str, kind: str | None
) -> None:
    log(site, 1, eventname=moodle.COURSE_RESET, objecttable=None, objectid=None, relateduserid=None, other=other)
    async with collecting(site.options(), clock) as collector:
        (seen,), _ = await read(collector, demand=wanting(moodle.COURSE_RESET))
    assert (seen.kind, "subject" in seen.people, seen.course) == (kind, False, "3")
