"""`events explain` and `learner why` about rows that have the name rules ask for and are something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.campus import campus
from tests.helpdesk import LESSON, RULES, Desk, at
from tests.sites import SqliteSite, log, put

GRADED = r"\core\event\user_graded"
PROGRAMME = """
[programme.onboarding]
courses = ["BIO101"]
pass = 80

[[rule]]
id = "programme"
on = "programme.completed"
award = 100
"""
QUIZ = """
[[rule]]
id = "quiz"
on = "quiz.submitted"
conditions = { score_pct = ">=60" }
award = 10
"""
STATES = {
    3: '{"relateduserid":"36","overrideby":null,"completionstate":3}',
    4: 'a:3:{s:13:"relateduserid";i:36;s:10:"overrideby";N;s:15:"completionstate";i:0;}',
    5: '{"relateduserid":',
    6: '{"relateduserid":"36","completionstate":9}',
}
"""Log ids and their `other`, the first two as in the captured log."""
COUNT = "only the states 1 (done) and 2 (passed) are completions"
TOLD = {
    3: f"Moodle logged it as failed (state 3): {COUNT}",
    4: f"Moodle logged it as taken back (state 0): {COUNT}",
    5: "what Moodle logged beside it (`other`) is unreadable: no state of completion stands there",
    6: f"Moodle logged it in another state: {COUNT}",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Ben's day: an activity graded outside the programme's courses, then a completion in each state that is none."""
    directory = tmp_path_factory.mktemp("uncounted")
    site = SqliteSite(directory / "moodle.db")
    put(site, "user", id=36, username="ben", idnumber="S36", firstname="Ben", lastname="X", email="ben@example.org")
    for course, shortname in ((3, "BIO101"), (4, "ART1")):
        put(site, "course", id=course, shortname=shortname, fullname=shortname, enablecompletion=1, category=1)
    for item, kind in ((10, "mod"), (11, "course")):
        put(site, "grade_items", id=item, courseid=4, itemtype=kind, itemmodule="quiz", iteminstance=1, grademax=100)
    ben = {"userid": 36, "relateduserid": 36}
    for number, item in ((1, 10), (2, 11)):
        graded = f'{{"itemid":"{item}","overridden":true,"finalgrade":90}}'
        where = {"objecttable": "grade_grades", "objectid": item, "courseid": 4}
        log(site, number, eventname=GRADED, other=graded, timecreated=at("09-07T08:00"), **where, **ben)
    for number, other in STATES.items():
        done = {"objecttable": "course_modules_completion", "objectid": 22, "contextlevel": 70, "contextinstanceid": 12}
        log(site, number, eventname=LESSON, other=other, timecreated=at("09-07T09:00") + number, **done, **ben)
    put(site, "quiz", id=1, course=3, name="Q", sumgrades=3, grade=10)
    put(site, "quiz_attempts", id=5, quiz=1, userid=36, attempt=1, sumgrades=2, state="finished", preview=0)
    tried = {"objecttable": "quiz_attempts", "objectid": 5, "contextlevel": 70, "contextinstanceid": 13}
    log(site, 7, eventname=r"\mod_quiz\event\attempt_submitted", timecreated=at("09-07T10:00"), **tried, **ben)
    made = campus(directory / "campus", f"sqlite:///{site.path}", RULES + PROGRAMME + QUIZ)
    made.catch_up()
    return Desk(directory=made.directory)


def test_a_row_that_is_fetched_by_its_name_and_is_about_no_rule_says_just_that(desk: Desk) -> None:
    # `user_graded` is fetched for the programme; it was said that no rule had wanted such events when it was read.
    (activity,), (course,), (failed,) = (desk.json("events", "explain", number) for number in "123")
    assert (failed["recorded"], failed["uncounted"]) == (True, TOLD[3])
    assert (activity["recorded"], activity["why"]) == (False, "no rule is about such events (grade.awarded)")
    assert (course["recorded"], course["why"]) == (False, "no rule is about such events (course.graded) in this course")


@pytest.mark.parametrize("number", TOLD)
def test_a_completion_that_is_none_is_explained_by_its_state(desk: Desk, number: int) -> None:
    told = desk.command("events", "explain", f"moodle:{number}").stdout
    assert f"  {TOLD[number]}.\n  Not about such events: lesson, " in told


def test_why_tells_the_state_of_a_completion_that_earned_nothing(desk: Desk, tmp_path: Path) -> None:
    # It said "No such act in Moodle" of a day on which there were four.
    words = ("learner", "why", "ben", "--on", "2026-09-07", "--rule", "lesson")
    (lesson,) = desk.json(*words)["rules"]
    assert lesson["sentence"] == (
        f"No act in Moodle that counts. moodle:3: {TOLD[3]}; moodle:4: {TOLD[4]}; moodle:5: {TOLD[5]}; and 1 more."
    )
    (post,) = desk.json(*words[:-1], "post")["rules"]
    assert post["sentence"] == "No such act in Moodle."


def test_a_fact_is_a_number_for_programs_with_its_exact_text_beside_it(desk: Desk) -> None:
    # It was the text "200/3".
    (answer,) = desk.json("events", "explain", "7")
    assert answer["event"]["facts"]["score_pct"] == 66.66667
    assert answer["event"]["facts_exact"] == {"score_pct": "200/3"}
