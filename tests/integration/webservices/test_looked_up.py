"""What posts lack is asked of the site: at once, later where it is away, and again where it was too early."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.collectors.inbox.collector import OWED_FROM
from agent.collectors.systems.moodle import GRADED
from tests.integration.webservices.campus import (
    COURSE,
    FORUM,
    LEARNER,
    QUIZ,
    STRANGER,
    TEACHER,
    attempt,
    completed,
    done,
    hosted,
    submitted,
)
from tests.rule_stories import rule
from tests.sites import NOW, put

QUIZ_80 = rule(on="quiz.submitted", more='conditions = { score_pct = ">=60" }')
LESSON = rule(on="lesson.completed")
MOODLE_LEARNER = f"{LEARNER}"


async def test_a_quiz_is_paid_by_the_score_that_the_site_tells(tmp_path: Path) -> None:
    async with hosted(tmp_path, QUIZ_80) as at:
        attempt(at.site, 1, marks=2)
        attempt(at.site, 2, marks=1)
        await at.post(submitted(2), submitted(1))
        assert at.at.balances() == {MOODLE_LEARNER: 10}
        assert at.at.reasons() == ["condition score_pct >=60"]


async def test_parts_of_a_grade_and_outcomes_are_told_apart_and_a_grade_that_nobody_tells_is_none(
    tmp_path: Path,
) -> None:
    rules = (
        rule(on="grade.awarded", name="first", award="1", more="conditions = { item_number = 0, score_pct = 80 }")
        + rule(on="grade.awarded", name="any", award="10", more='once_per = "event"')
        + rule(on="outcome.rated", name="outcome", award="100")
    )
    async with hosted(tmp_path, rules) as at:
        for item, part, grade in ((21, 0, 8), (22, 1, 8), (23, 1_000, 8), (24, 0, None)):
            put(at.site, "grade_items", id=item, courseid=COURSE, itemtype="mod", itemmodule="quiz", iteminstance=5,
                itemnumber=part, grademin=0, grademax=10)  # fmt: skip
            put(at.site, "grade_grades", id=item, itemid=item, userid=LEARNER, finalgrade=grade, timemodified=NOW)
            told = {} if grade is None else {"other_finalgrade": str(grade)}
            await at.post(
                submitted(
                    item,
                    eventname=GRADED,
                    objecttable="grade_grades",
                    contextlevel="50",
                    contextinstanceid=str(COURSE),
                    other_itemid=str(item),
                    **told,
                )
            )
        assert at.at.balances() == {MOODLE_LEARNER: 121}


async def test_a_post_of_a_grade_that_was_cleared_takes_back_what_it_had_earned(tmp_path: Path) -> None:
    async with hosted(tmp_path, rule(on="grade.awarded", more='reverse_on = "grade.deleted"')) as at:
        put(
            at.site, "grade_items", id=21, courseid=COURSE, itemtype="mod", itemmodule="quiz", iteminstance=5,
            itemnumber=0, grademin=0, grademax=10,
        )  # fmt: skip
        put(at.site, "grade_grades", id=31, itemid=21, userid=LEARNER, finalgrade=8, timemodified=NOW - 600)
        about = {"objecttable": "grade_grades", "contextlevel": "50", "contextinstanceid": str(COURSE)}
        graded = submitted(31, eventname=GRADED, other_itemid="21", other_finalgrade="8.00000", **about)
        await at.post(graded)
        assert at.at.balances() == {MOODLE_LEARNER: 10}
        at.site.execute("UPDATE mdl_grade_grades SET finalgrade = NULL")
        await at.post(graded | {"other_finalgrade": "", "timecreated": str(NOW - 300)})
        assert at.at.entries()[1:] == ["reversal -10 of 1-1 undone: grade.deleted"]


@pytest.mark.parametrize(
    ("grades", "total", "best", "paid"),
    [
        ((90, 80, 70), 240, 300, 1),
        ((90, 80, None), 170, 200, 0),
        ((100, 100, None), 200, 200, 1),
        ((90, None, None), 90, 100, 0),
        ((90, 90, None), 90, 100, 0),
        ((90, 90, 90), 90, 100, 1),
    ],
    ids=["all", "sum of some", "sum that makes it", "one is no sum yet", "mean of some", "mean of all"],
)
async def test_a_course_total_is_of_all_work_and_not_of_what_is_graded_so_far(
    tmp_path: Path, grades: tuple[int | None, ...], total: int, best: int, paid: int
) -> None:
    """Moodle tells what the work that is graded makes at most: the first good grade passed whole courses."""
    rules = rule(on="course.graded", award="1", more='conditions = { score_pct = ">=60" }')
    about = {"eventname": GRADED, "objecttable": "grade_grades", "contextlevel": "50", "other_itemid": "20"}
    async with hosted(tmp_path, rules) as at:
        put(at.site, "grade_items", id=20, courseid=COURSE, itemtype="course", grademin=0, grademax=300)
        stands = {"userid": LEARNER, "timemodified": NOW}
        put(at.site, "grade_grades", id=30, itemid=20, finalgrade=total, rawgrademax=best, **stands)
        for item, grade in enumerate(grades, 21):
            put(at.site, "grade_items", id=item, courseid=COURSE, itemtype="manual", grademin=0, grademax=100)
            put(at.site, "grade_grades", id=item, itemid=item, finalgrade=grade, **stands)
        course = {"contextinstanceid": str(COURSE), **about}
        await at.post(submitted(30, other_finalgrade=str(total - 1), timecreated=str(NOW - 700), **course))
        assert at.at.balances() == {}, "it was another when other work was graded"
        await at.post(submitted(30, other_finalgrade=str(total), **course))
        assert at.at.balances() == ({MOODLE_LEARNER: 1} if paid else {})


async def test_of_an_attempt_that_looks_late_nothing_is_said(tmp_path: Path) -> None:
    rules = rule(on="quiz.submitted", more='conditions = { on_time = true }\nonce_per = "event"')
    async with hosted(tmp_path, rules) as at:
        at.site.execute("UPDATE mdl_quiz SET timeclose = ?", (NOW - 600,))
        for number in (1, 2):
            attempt(at.site, number, marks=3)
        await at.post(submitted(1, timecreated=str(NOW - 300)), submitted(2))
        assert at.at.balances() == {MOODLE_LEARNER: 10}
        assert at.at.reasons() == ["condition on_time true (on_time unknown)"]


async def test_names_with_signs_that_html_writes_otherwise_are_those_that_were_typed_in(tmp_path: Path) -> None:
    rules = rule(
        on="quiz.submitted",
        more="audience = { courses = ['R&D 1'], categories = ['Health & \"Safety\"'] }\nonce_per = \"event\"",
    ) + rule(on="forum.posted", name="tagged", award="1", more="conditions = { tags = 'q&a \"x\"' }")
    async with hosted(tmp_path, rules) as at:
        at.site.execute("UPDATE mdl_course SET shortname = 'R&D 1' WHERE id = ?", (COURSE,))
        at.site.execute("UPDATE mdl_course_categories SET name = 'Health & \"Safety\"'")
        attempt(at.site, 1, marks=3)
        put(at.site, "forum_discussions", id=4, forum=7, course=COURSE, firstpost=41, userid=LEARNER)
        put(at.site, "forum_posts", id=41, discussion=4, parent=0, userid=LEARNER, subject="s", message="<p>a</p>")
        put(at.site, "tag", id=1, name='q&a "x"', rawname='Q&A "x"')
        put(at.site, "tag_instance", id=1, tagid=1, itemtype="forum_posts", itemid=41)
        begun = {"eventname": r"\mod_forum\event\discussion_created", "objecttable": "forum_discussions"}
        await at.post(submitted(1), submitted(4, relateduserid="", contextinstanceid=str(FORUM), **begun))
        assert at.at.balances() == {MOODLE_LEARNER: 11}


@pytest.mark.parametrize("edits", [False, True])
async def test_the_idnumber_of_a_course_is_known_though_moodle_tells_it_to_editors_alone(
    tmp_path: Path, edits: bool
) -> None:
    rules = rule(on="quiz.submitted", more='audience = { courses = ["idnumber:HS-1"] }\nonce_per = "event"')
    async with hosted(tmp_path, rules) as at:
        at.web.moods.edits = edits
        for number in (1, 2):
            attempt(at.site, number, marks=3)
        await at.post(submitted(1), submitted(2))
        assert at.at.balances() == {MOODLE_LEARNER: 20}
        asked = at.web.functions_asked().count("core_enrol_get_users_courses")
        assert asked == (0 if edits else 1), "once for a course"


async def test_who_is_not_in_a_course_leaves_its_idnumber_unknown_for_nobody_else(tmp_path: Path) -> None:
    rules = rule(on="lesson.completed", more='audience = { courses = ["idnumber:HS-1"] }')
    async with hosted(tmp_path, rules) as at:
        done(at.site, learner=STRANGER)
        done(at.site)
        await at.post(completed(learner=STRANGER), completed())
        assert at.at.balances() == {MOODLE_LEARNER: 10}


async def test_a_dash_between_words_is_no_word_as_moodle_counts(tmp_path: Path) -> None:
    rules = rule(on="forum.posted", more="conditions = { word_count = 6 }")
    async with hosted(tmp_path, rules) as at:
        put(at.site, "forum_discussions", id=4, forum=7, course=COURSE, firstpost=41, userid=LEARNER)
        text = "<p>short &amp; sweet — it is<br />new–</p>"
        put(at.site, "forum_posts", id=41, discussion=4, parent=0, userid=LEARNER, subject="s", message=text)
        begun = {"eventname": r"\mod_forum\event\discussion_created", "objecttable": "forum_discussions"}
        await at.post(submitted(4, relateduserid="", contextinstanceid=str(FORUM), **begun))
        assert at.at.balances() == {MOODLE_LEARNER: 10}


@pytest.mark.parametrize("code", ["nopermission", "invalidresponse"])
async def test_what_somebody_handed_in_and_may_not_be_seen_is_told_and_asked_again_once_it_may(
    tmp_path: Path, code: str
) -> None:
    rules = rule(on="assignment.submitted", more="conditions = { attempt = 1 }")
    async with hosted(tmp_path, rules) as at:
        put(at.site, "modules", id=9, name="assign")
        put(at.site, "course_modules", id=109, course=COURSE, module=9, instance=3, section=11, deletioninprogress=0)
        put(at.site, "assign", id=3, course=COURSE, name="A", duedate=0)
        put(at.site, "assign_submission", id=5, assignment=3, userid=LEARNER, attemptnumber=0, status="submitted",
            latest=1, groupid=0)  # fmt: skip
        at.web.moods.codes["mod_assign_get_submission_status"] = code
        act = {"eventname": r"\mod_assign\event\assessable_submitted", "objecttable": "assign_submission"}
        await at.post(submitted(5, relateduserid="", contextinstanceid="109", **act))
        assert at.at.balances() == {}
        at.web.moods.codes.clear()
        at.clock.at += 7_200
        await at.read()
        assert at.at.balances() == {MOODLE_LEARNER: 10}


async def test_a_preview_earns_nothing(tmp_path: Path) -> None:
    async with hosted(tmp_path, QUIZ_80) as at:
        attempt(at.site, 1, marks=3, preview=1)
        await at.post(submitted(1))
        assert at.at.balances() == {}


async def test_a_post_while_the_site_is_away_is_paid_once_when_it_answers_again(tmp_path: Path) -> None:
    async with hosted(tmp_path, QUIZ_80) as at:
        attempt(at.site, 1, marks=3)
        at.web.moods.status = 503
        await at.post(submitted(1), submitted(1))
        assert at.at.balances() == {}
        assert at.pages[-1].state.counts[OWED_FROM] == 1
        at.web.moods.status = 200
        await at.read()
        assert at.at.balances() == {}, "it is left alone for a while"
        at.clock.at += 3_600 * 24
        await at.read()
        assert at.at.balances() == {MOODLE_LEARNER: 10}
        assert OWED_FROM not in at.pages[-1].state.counts
        asked = len(at.web.asked)
        at.clock.at += 3_600
        await at.read()
        assert (at.at.balances(), len(at.web.asked)) == ({MOODLE_LEARNER: 10}, asked)


async def test_who_is_staff_is_unknown_while_the_site_is_away_and_decided_when_it_answers(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON) as at:
        at.web.moods.codes["*"] = "sitemaintenance"
        await at.post(completed(), completed(learner=TEACHER))
        assert at.at.reasons() == ["roles unknown", "roles unknown"]
        at.web.moods.codes.clear()
        at.clock.at += 120
        await at.read()
        assert at.at.balances() == {MOODLE_LEARNER: 10}
        assert at.at.reasons()[2:] == ["never earns: staff"]


async def test_somebody_who_is_not_enrolled_is_held_and_paid_once_they_are(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON) as at:
        await at.post(completed(learner=STRANGER))
        assert at.at.reasons() == ["roles unknown"]
        at.site.execute(f"INSERT INTO mdl_user_enrolments (id, enrolid, userid) VALUES (99, 1, {STRANGER})")
        at.clock.at += 120
        await at.read()
        assert at.at.balances() == {f"{STRANGER}": 10}


async def test_a_post_from_a_transaction_that_is_not_over_is_looked_at_again(tmp_path: Path) -> None:
    async with hosted(tmp_path, QUIZ_80) as at:
        attempt(at.site, 1, marks=None, state="inprogress")
        await at.post(submitted(1))
        assert at.at.balances() == {}
        at.site.execute("UPDATE mdl_quiz_attempts SET state = 'finished', sumgrades = 3")
        at.clock.at += 120
        await at.read()
        assert at.at.balances() == {MOODLE_LEARNER: 10}
        assert OWED_FROM not in at.pages[-1].state.counts


async def test_what_a_post_lacks_for_an_hour_is_not_asked_for_any_more(tmp_path: Path) -> None:
    async with hosted(tmp_path, QUIZ_80) as at:
        await at.post(submitted(1))
        assert OWED_FROM in at.pages[-1].state.counts
        at.clock.at += 3_600
        await at.read()
        assert OWED_FROM not in at.pages[-1].state.counts


async def test_a_section_is_finished_by_the_act_itself_however_early_its_post_is(tmp_path: Path) -> None:
    crossing = rule(on="lesson.completed", more="crosses = { section_progress_pct = 100 }")
    async with hosted(tmp_path, crossing) as at:
        done(at.site, QUIZ)
        await at.post(completed())
        assert at.at.balances() == {}
        done(at.site)
        at.clock.at += 120
        await at.read()
        assert at.at.balances() == {MOODLE_LEARNER: 10}


@pytest.mark.parametrize("function", ["core_enrol_get_enrolled_users", "core_course_get_contents"])
async def test_a_function_that_is_refused_costs_only_what_it_feeds(tmp_path: Path, function: str) -> None:
    rules = rule(name="a") + rule(name="b", more='once_per = "section"')
    async with hosted(tmp_path, rules) as at:
        at.web.moods.codes[function] = "accessexception"
        done(at.site)
        await at.post(completed())
        if function == "core_course_get_contents":
            assert at.at.balances() == {MOODLE_LEARNER: 10}
            assert at.at.reasons() == ["no section"]
        else:
            assert at.at.reasons() == ["roles unknown"] * 2


async def test_many_posts_are_recorded_in_pages_that_cost_few_requests(tmp_path: Path) -> None:
    async with hosted(tmp_path, rule(on="lesson.completed", more='once_per = "section"')) as at:
        done(at.site)
        await at.post(*(completed(at=1_795_299_000 + n) for n in range(120)))
        assert [len(page.observations) for page in at.pages] == [50, 50, 20]
        assert at.web.functions_asked() == ["core_course_get_contents", "core_enrol_get_enrolled_users"]
        assert at.at.balances() == {MOODLE_LEARNER: 10}


ENROLLED, ATTEMPTS = "core_enrol_get_enrolled_users", "mod_quiz_get_user_quiz_attempts"
LONG_AGO = NOW - 7_200
"""An act that is not about to be saved any more."""


async def test_what_waits_for_a_right_is_paid_or_refused_once_it_is_given_however_late(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON) as at:
        at.web.moods.codes[ENROLLED] = "nopermissions"
        await at.post(
            completed(at=LONG_AGO), completed(learner=TEACHER, at=LONG_AGO), completed(learner=36, at=LONG_AGO)
        )
        assert at.at.reasons() == ["roles unknown"] * 3
        for _ in range(3):
            at.clock.at += 3_600
            asked = len(at.web.asked)
            await at.read()
            assert len(at.web.asked) - asked <= 2, "a right that is never given costs little"
        assert at.pages[-1].state.unsure != (0, 0)
        at.web.moods.codes.clear()
        at.clock.at += 3_600
        await at.read()
        assert at.at.balances() == {MOODLE_LEARNER: 10, "36": 10}
        assert at.at.reasons()[3:] == ["never earns: staff"]
        assert at.pages[-1].state.unsure == (0, 0)
        asked = len(at.web.asked)
        at.clock.at += 3_600
        await at.read()
        assert len(at.web.asked) == asked


async def test_a_course_that_stays_closed_to_us_keeps_no_other_waiting(tmp_path: Path) -> None:
    async with hosted(tmp_path, LESSON) as at:
        at.web.moods.codes[ENROLLED] = "nopermissions"
        closed = [completed(lesson=300 + n, learner=36, at=LONG_AGO, courseid="9") for n in range(61)]
        await at.post(*closed[:-1], completed(at=LONG_AGO), closed[-1])
        at.web.moods.codes.clear()
        at.web.moods.closed = {9}
        at.clock.at += 3_600
        await at.read()
        assert at.at.balances() == {}, "the first page is of the closed course, and then there is a rest"
        at.clock.at += 3_600
        await at.read()
        assert at.at.balances() == {MOODLE_LEARNER: 10}
        assert at.pages[-1].state.unsure == (0, 62)


async def test_a_preview_is_not_taken_for_an_attempt_where_attempts_are_not_told(tmp_path: Path) -> None:
    async with hosted(tmp_path, rule(on="quiz.submitted")) as at:
        attempt(at.site, 1, marks=3, preview=1)
        attempt(at.site, 2, marks=3)
        at.web.moods.codes |= {ATTEMPTS: "nopermissions", "mod_quiz_get_user_attempts": "accessexception"}
        await at.post(submitted(1), submitted(2))
        assert (at.at.balances(), at.at.reasons()) == ({}, ["preview unknown"] * 2)
        at.web.moods.codes.clear()
        at.clock.at += 3_600
        await at.read()
        assert at.at.balances() == {MOODLE_LEARNER: 10}
        assert at.at.reasons()[2:] == ["never earns: quiz preview"]
