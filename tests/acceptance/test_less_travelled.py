r"""Moodle's less travelled activities, scene by scene, in the log of a real server: who gets what for which event.

The rows are what Moodle 4.5 writes (its source, and the captured log where it has them); what each learner should get
is said beside them, by hand.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.collectors.systems import moodle
from tests.acceptance.campus import campus
from tests.acceptance.scenes import AT, DAY, HOUR, Scene, Stage, play
from tests.sites import MariaSite, PostgresSite, Site, log

RULES = r"""
schema   = 1
timezone = "Africa/Johannesburg"

[[rule]]
id         = "lesson"
on         = "lesson.completed"
award      = 10
reverse_on = "lesson.uncompleted"

[[rule]]
id           = "good-grade"
on           = "grade.awarded"
conditions   = { score_pct = ">=80" }
award        = 20
reverse_when = "no longer true"

[[rule]]
id    = "any-grade"
on    = "grade.awarded"
award = 1
reverse_on = "grade.deleted"

[[rule]]
id         = "on-time"
on         = "assignment.submitted"
conditions = { on_time = true }
award      = 5
reverse_on = "assignment.withdrawn"

[[rule]]
id         = "good-quiz"
on         = "quiz.submitted"
conditions = { score_pct = ">=80" }
award      = 30
reverse_on = "quiz.attempt_deleted"
reverse_when = "no longer true"

[[rule]]
id         = "quiz-on-time"
on         = "quiz.submitted"
conditions = { on_time = true }
award      = 3

[[rule]]
id       = "peer-review"
on       = '\mod_workshop\event\submission_assessed'
award    = 4

[[rule]]
id       = "workshop-submission"
on       = '\mod_workshop\event\submission_created'
award    = 6
once_per = "lesson"

[[rule]]
id       = "contribution"
on       = ['\mod_wiki\event\page_updated', '\mod_data\event\record_created', '\mod_glossary\event\entry_created',
            '\mod_data\event\comment_created']
award    = 2
once_per = ["lesson", "day"]
reverse_on = ['\mod_wiki\event\page_deleted', '\mod_data\event\record_deleted', '\mod_glossary\event\entry_deleted',
              '\mod_data\event\comment_deleted']

[[rule]]
id       = "h5p"
on       = '\mod_h5pactivity\event\statement_received'
award    = 7
once_per = "lesson"

[[rule]]
id         = "good-submission"
on         = "grade.awarded"
conditions = { module = "workshop", item_number = 0, score_pct = ">=80" }
award      = 11

[[rule]]
id         = "skill"
on         = "outcome.rated"
conditions = { score_pct = 100 }
award      = 12

[[rule]]
id         = "seen-grade"
on         = "grade.awarded"
conditions = { module = "glossary", grade_shown = true }
award      = 13

[[rule]]
id         = "passed"
on         = "lesson.completed"
conditions = { completion_state = 2 }
award      = 15
reverse_on = ["lesson.uncompleted", "lesson.failed"]

[[rule]]
id         = "choice"
on         = '\mod_choice\event\answer_created'
conditions = { module = "choice" }
award      = 16
once_per   = "section"

[[rule]]
id         = "total"
on         = "course.graded"
conditions = { score_pct = ">=50" }
award      = 17
reverse_on = "grade.deleted"

[[rule]]
id         = "played"
on         = '\mod_lesson\event\lesson_ended'
award      = 18
once_per   = "lesson"

[[rule]]
id       = "look"
on       = ['\mod_workshop\event\submission_viewed', '\mod_quiz\event\attempt_reviewed']
award    = 19
once_per = "event"

[[rule]]
id    = "survey"
on    = "survey.submitted"
award = 8

[[rule]]
id    = "course"
on    = "course.completed"
award = 50
"""


def workshop_grades(stage: Stage) -> None:
    """The phase is closed: two grades of one activity, a poor submission and a full mark for assessing."""
    _, instance = stage.activity("workshop")
    parts = [stage.item("workshop", instance, itemnumber=number, grademax=most) for number, most in ((0, 80), (1, 20))]
    stage.graded(parts[0], 16)
    stage.graded(parts[1], 20)


def workshop_good(stage: Stage) -> None:
    """The assessment is graded first and poorly, the submission well."""
    _, instance = stage.activity("workshop")
    parts = [stage.item("workshop", instance, itemnumber=number) for number in (1, 0)]
    stage.graded(parts[0], 30)
    stage.graded(parts[1], 88)


def workshop_assessed(stage: Stage) -> None:
    module, _ = stage.activity("workshop")
    stage.within(module, r"\mod_workshop\event\submission_created", relateduserid=stage.learner,
                 objecttable="workshop_submissions", objectid=stage.numbers())  # fmt: skip
    stage.later(DAY)
    for number in (1, 2):
        stage.within(module, r"\mod_workshop\event\submission_assessed", userid=stage.peer,
                     relateduserid=stage.learner, objecttable="workshop_assessments", objectid=number,
                     other={"workshopid": 1, "submissionid": number})  # fmt: skip
    stage.within(module, r"\mod_workshop\event\submission_assessed", userid=stage.teacher,
                 relateduserid=stage.learner, objecttable="workshop_assessments", objectid=3)  # fmt: skip


def h5p(stage: Stage) -> None:
    """Each answer is a statement, the last completes it."""
    module, instance = stage.activity("h5pactivity")
    for _ in range(4):
        stage.within(module, r"\mod_h5pactivity\event\statement_received", objecttable="h5pactivity",
                     objectid=instance)  # fmt: skip
        stage.later(20)
    stage.graded(stage.item("h5pactivity", instance), 85, userid=stage.learner)
    stage.completed(module, 1)


def scorm(stage: Stage) -> None:
    """Two scoes tell their score, the grade method makes the average of them; completed is said by each."""
    module, instance = stage.activity("scorm")
    item, grade = stage.item("scorm", instance), None
    for raw, average in ((100, 50), (100, 100)):
        other = {"attemptid": 1, "cmielement": "cmi.core.score.raw", "cmivalue": str(raw)}
        stage.within(module, r"\mod_scorm\event\scoreraw_submitted", other=other, objectid=stage.numbers(),
                     objecttable="scorm_scoes_value")  # fmt: skip
        grade = stage.graded(item, average, grade=grade, userid=stage.learner)
        stage.later(60)
    stage.completed(module, 1)


def scorm_new_attempt(stage: Stage) -> None:
    """The last attempt counts, and it is worse."""
    _, instance = stage.activity("scorm")
    item = stage.item("scorm", instance)
    grade = stage.graded(item, 90, userid=stage.learner)
    stage.later(DAY).graded(item, 40, grade=grade, userid=stage.learner)


def wiki(stage: Stage) -> None:
    """Ten savings of one page in one evening, one the day after."""
    module, _ = stage.activity("wiki")
    for _ in range(10):
        stage.within(module, r"\mod_wiki\event\page_updated", objecttable="wiki_pages", objectid=1,
                     other={"newcontent": "text of a learner"})  # fmt: skip
        stage.later(60)
    stage.later(DAY).within(module, r"\mod_wiki\event\page_updated", objecttable="wiki_pages", objectid=1)


def entries(stage: Stage) -> None:
    """A record of a database, and an entry of a glossary that a teacher approves the day after."""
    data, _ = stage.activity("data")
    glossary, _ = stage.activity("glossary")
    stage.within(data, r"\mod_data\event\record_created", objecttable="data_records", objectid=1, other={"dataid": 1})
    stage.within(glossary, r"\mod_glossary\event\entry_created", objecttable="glossary_entries", objectid=1)
    stage.later(DAY).within(glossary, r"\mod_glossary\event\entry_approved", objecttable="glossary_entries",
                            objectid=1, userid=stage.teacher)  # fmt: skip


def removed(stage: Stage) -> None:
    """A record, an entry, a page and a comment that a teacher takes away, whose rows name nobody else."""
    for module, made, gone, table in (
        ("data", "record_created", "record_deleted", "data_records"),
        ("glossary", "entry_created", "entry_deleted", "glossary_entries"),
        ("wiki", "page_updated", "page_deleted", "wiki_pages"),
        ("data", "comment_created", "comment_deleted", "comments"),
    ):
        about = {"objecttable": table, "objectid": stage.numbers()}
        where, _ = stage.activity(module)
        stage.within(where, rf"\mod_{module}\event\{made}", **about)
        stage.later(60).within(where, rf"\mod_{module}\event\{gone}", userid=stage.teacher, **about)


def anonymous_feedback(stage: Stage) -> None:
    module, instance = stage.activity("feedback")
    stage.within(module, r"\mod_feedback\event\response_submitted", objecttable="feedback_completed", objectid=1,
                 relateduserid=stage.learner, anonymous=1, other={"anonymous": 1, "instanceid": instance})  # fmt: skip
    stage.completed(module, 1)


def named_feedback(stage: Stage) -> None:
    module, instance = stage.activity("feedback")
    for number in (1, 2):
        stage.within(module, r"\mod_feedback\event\response_submitted", objecttable="feedback_completed",
                     objectid=number, relateduserid=stage.learner,
                     other={"anonymous": 2, "instanceid": instance})  # fmt: skip


def lti(stage: Stage) -> None:
    """The tool sends the grade by itself: nobody is at the keyboard."""
    _, instance = stage.activity("lti")
    stage.graded(stage.item("lti", instance), 92, userid=0, origin="ws")


def forum_graded(stage: Stage) -> None:
    """A rating aggregated (item 0), then the whole forum graded (item 1)."""
    _, instance = stage.activity("forum")
    stage.graded(stage.item("forum", instance, itemnumber=0, grademax=5), 2)
    stage.graded(stage.item("forum", instance, itemnumber=1), 95)


def cleared_grade(stage: Stage) -> None:
    """The only attempt is deleted, so the gradebook has no grade any more: Moodle tells that as a grade of nothing."""
    _, instance = stage.activity("quiz")
    item = stage.item("quiz", instance)
    grade = stage.graded(item, 90)
    stage.later(HOUR).graded(item, None, grade=grade)


def only_cleared(stage: Stage) -> None:
    """A grade from before the agent's time is cleared."""
    _, instance = stage.activity("lesson")
    stage.graded(stage.item("lesson", instance), None, timemodified=None)


def scale_grade(stage: Stage) -> None:
    """Two words of a scale: the second is all that there is."""
    _, instance = stage.activity("assign")
    stage.graded(stage.item("assign", instance, gradetype=2, grademin=1, grademax=2), 2)


def lowest_of_scale(stage: Stage) -> None:
    _, instance = stage.activity("assign")
    stage.graded(stage.item("assign", instance, gradetype=2, grademin=1, grademax=2), 1)


def outcome(stage: Stage) -> None:
    """An outcome that is rated beside the grade is an item of the activity too, numbered from 1000."""
    _, instance = stage.activity("assign")
    stage.graded(stage.item("assign", instance), 55)
    stage.graded(stage.item("assign", instance, itemnumber=1000, gradetype=2, grademin=1, grademax=3), 3)


def negative_scale(stage: Stage) -> None:
    """From -10 to 10: 6 is four fifths of the way."""
    _, instance = stage.activity("assign")
    stage.graded(stage.item("assign", instance, grademin=-10, grademax=10), 6)


def nothing_to_reach(stage: Stage) -> None:
    _, instance = stage.activity("assign")
    stage.graded(stage.item("assign", instance, grademin=0, grademax=0), 0)


def bonus(stage: Stage) -> None:
    _, instance = stage.activity("assign")
    stage.graded(stage.item("assign", instance), 110)


def overridden(stage: Stage) -> None:
    """A teacher overrides the grade, then locks it: the second attempt changes nothing in the gradebook."""
    _, instance = stage.activity("quiz")
    item = stage.item("quiz", instance)
    grade = stage.graded(item, 40, userid=stage.learner)
    stage.later(HOUR).graded(item, 90, grade=grade)


def manual_item(stage: Stage) -> None:
    item = stage.item(None, None, itemtype="manual", itemnumber=None)
    stage.graded(item, 100)


def category_total(stage: Stage) -> None:
    item = stage.item(None, 5, itemtype="category", itemnumber=None)
    stage.graded(item, 100, userid=-1)


def team(stage: Stage) -> None:
    """One of a team hands in, a teacher puts it back to draft: that row names nobody."""
    module, assignment = stage.assignment(teamsubmission=1, duedate=AT + DAY)
    number = stage.handed_in(module, assignment, groupid=5)
    stage.later(HOUR)
    stage.within(module, moodle.ASSIGN_STATUS, userid=stage.teacher, objecttable="assign_submission", objectid=number,
                 other={"newstatus": "draft"})  # fmt: skip


def team_completions(stage: Stage) -> None:
    """Moodle completes the activity for the whole team; only who pressed the button submitted."""
    module, assignment = stage.assignment(teamsubmission=1, duedate=AT + DAY)
    stage.handed_in(module, assignment, groupid=5)
    for member in (stage.learner, stage.peer):
        stage.completed(module, 1, relateduserid=member)


def reopened(stage: Stage) -> None:
    """Handed in, sent back, handed in again as a second attempt: one activity."""
    module, assignment = stage.assignment(duedate=AT + 2 * DAY)
    stage.handed_in(module, assignment)
    stage.later(DAY)
    stage.handed_in(module, assignment, attemptnumber=1)


def second_attempt_after_draft(stage: Stage) -> None:
    """Put back to draft and handed in late: what was in time is gone."""
    module, assignment = stage.assignment(duedate=AT + HOUR)
    number = stage.handed_in(module, assignment)
    stage.later(60)
    stage.within(module, moodle.ASSIGN_STATUS, userid=stage.teacher, relateduserid=stage.learner,
                 objecttable="assign_submission", objectid=number, other={"newstatus": "draft"})  # fmt: skip
    stage.later(DAY).handed_in(module, assignment, again=number)


def late_with_extension(stage: Stage) -> None:
    module, assignment = stage.assignment(duedate=AT - DAY)
    stage.put("assign_user_flags", userid=stage.learner, assignment=assignment, extensionduedate=AT + DAY)
    stage.handed_in(module, assignment)


def late_for_a_group(stage: Stage) -> None:
    """Everybody has until tomorrow, the learner's group had until yesterday."""
    module, assignment = stage.assignment(duedate=AT + DAY)
    stage.put("groups_members", groupid=stage.course, userid=stage.learner, component="")
    stage.put("assign_overrides", assignid=assignment, groupid=stage.course, sortorder=1, duedate=AT - DAY)
    stage.handed_in(module, assignment)


def own_override_of_another_field(stage: Stage) -> None:
    """An override of the cut-off date alone leaves the due date as it is."""
    module, assignment = stage.assignment(duedate=AT - DAY)
    stage.put("assign_overrides", assignid=assignment, userid=stage.learner, cutoffdate=AT + DAY)
    stage.handed_in(module, assignment)


def no_due_date(stage: Stage) -> None:
    module, assignment = stage.assignment(duedate=0)
    stage.handed_in(module, assignment)


def blind(stage: Stage) -> None:
    """While names are hidden all that the assignment tells of a submission is anonymous; that it completes is not."""
    module, assignment = stage.assignment(duedate=AT + DAY, blindmarking=1)
    number = stage.handed_in(module, assignment, anonymous=1)
    stage.within(module, r"\assignsubmission_file\event\assessable_uploaded", anonymous=1, objectid=number,
                 objecttable="assign_submission")  # fmt: skip
    stage.completed(module, 1)


def hidden_item(stage: Stage) -> None:
    _, instance = stage.activity("glossary")
    stage.graded(stage.item("glossary", instance, hidden=1), 30)


def hidden_until(stage: Stage) -> None:
    """Until a day that is far away; another until one that is long past."""
    for until in (moodle.TIME_MAX, 86_400):
        _, instance = stage.activity("glossary")
        stage.graded(stage.item("glossary", instance, hidden=until), 30)


def hidden_for_one(stage: Stage) -> None:
    """The item is shown, the grade of this learner is not."""
    _, instance = stage.activity("glossary")
    stage.graded(stage.item("glossary", instance), 30, hidden=1)


def choice(stage: Stage) -> None:
    """A teacher answers for a learner; the learner changes the answer."""
    module, _ = stage.activity("choice")
    for actor in (stage.teacher, stage.learner):
        stage.within(module, r"\mod_choice\event\answer_created", userid=actor, relateduserid=stage.learner,
                     objecttable="choice_answers", objectid=stage.numbers(), other={"optionid": 1})  # fmt: skip


def lesson_ended(stage: Stage) -> None:
    """Each way through ends, right or wrong."""
    module, instance = stage.activity("lesson")
    for _ in range(3):
        stage.within(module, r"\mod_lesson\event\lesson_ended", objecttable="lesson", objectid=instance)
        stage.later(60)


def course_total(stage: Stage) -> None:
    """The total follows each grade; when none is left it is cleared, told by nobody."""
    item = stage.item(None, 5, itemtype="course", itemnumber=None)
    grade = stage.graded(item, 70, userid=-1)
    stage.later(HOUR).graded(item, None, grade=grade, userid=-1)


def deleted_later(stage: Stage) -> None:
    """The account is deleted the day after: what was done before is theirs, what cron finds afterwards is nobody's."""
    module, _ = stage.activity("page")
    stage.completed(module, 1)
    stage.later(DAY).row(moodle.USER_DELETED, userid=2, relateduserid=stage.learner, courseid=0, objecttable="user",
                         objectid=stage.learner)  # fmt: skip
    stage.then("UPDATE mdl_user SET deleted = 1, timemodified = ? WHERE id = ?", stage.at, stage.learner)
    stage.later(HOUR).row(moodle.COURSE_COMPLETED, relateduserid=stage.learner, origin="cli", userid=2)


def unenrolled(stage: Stage) -> None:
    """With an enrolment Moodle deletes the grades, and what was complete by its grade is incomplete."""
    module, _ = stage.activity("page")
    stage.completed(module, 1)
    stage.completed(module, 0, userid=stage.teacher)
    stage.row(moodle.GRADE_DELETED, objecttable="grade_grades", objectid=stage.numbers(), relateduserid=stage.learner,
              userid=stage.teacher, other={"finalgrade": "90.00000"})  # fmt: skip
    stage.row(moodle.UNENROLLED, relateduserid=stage.learner, userid=stage.teacher, other={"enrol": "manual"})


def looked_at(stage: Stage) -> None:
    """A peer looks at the learner's submission, a teacher at the learner's attempt, the learner at the own."""
    workshop, _ = stage.activity("workshop")
    quiz, _ = stage.activity("quiz")
    stage.within(workshop, r"\mod_workshop\event\submission_viewed", userid=stage.peer, relateduserid=stage.learner)
    for viewer in (stage.teacher, stage.learner):
        stage.within(quiz, r"\mod_quiz\event\attempt_reviewed", userid=viewer, relateduserid=stage.learner)


def quiz_highest(stage: Stage) -> None:
    """9 of 10, then 3 of 10: the attempt was good, whatever the gradebook makes of both."""
    module, quiz = stage.quiz(grademethod=2)
    item = stage.item("quiz", quiz)
    stage.attempted(module, quiz, 9)
    grade = stage.graded(item, 90, userid=stage.learner)
    stage.later(HOUR).attempted(module, quiz, 3, 2)
    stage.graded(item, 60, grade=grade, userid=stage.learner)


def quiz_regraded(stage: Stage) -> None:
    """A question was wrong: the attempt falls, and then rises, by regrades."""
    module, quiz = stage.quiz()
    attempt = stage.attempted(module, quiz, 7)
    stage.later(DAY)
    stage.within(module, moodle.QUIZ_REGRADED, userid=stage.teacher, relateduserid=stage.learner,
                 objecttable="quiz_attempts", objectid=attempt, other={"quizid": quiz})  # fmt: skip


def quiz_essay(stage: Stage) -> None:
    """Marks are missing until a teacher has read it; the table has them by now."""
    module, quiz = stage.quiz()
    attempt = stage.attempted(module, quiz, 8.5)
    stage.later(DAY)
    stage.within(module, moodle.QUIZ_MARKED, userid=stage.teacher, relateduserid=stage.learner,
                 objecttable="quiz_attempts", objectid=attempt)  # fmt: skip


def quiz_override(stage: Stage) -> None:
    """Closed yesterday for everybody, tomorrow for the kinder of two groups."""
    module, quiz = stage.quiz(timeclose=AT - DAY)
    for group, closes in ((1, AT - 2 * DAY), (2, AT + DAY)):
        stage.put("groups_members", groupid=stage.course + group * 1000, userid=stage.learner, component="")
        stage.put("quiz_overrides", quiz=quiz, groupid=stage.course + group * 1000, timeclose=closes)
    stage.attempted(module, quiz, 2)


def quiz_out_of_time(stage: Stage) -> None:
    """Nobody handed it in: cron does, an hour after the quiz has closed. The time of the event counts."""
    module, quiz = stage.quiz(timeclose=AT)
    stage.later(HOUR).attempted(module, quiz, 9, userid=2, origin="cli")


def quiz_late(stage: Stage) -> None:
    """Handed in within the time of grace that this quiz gives: late all the same."""
    module, quiz = stage.quiz(timeclose=AT)
    stage.later(HOUR).attempted(module, quiz, 4)


def failed_after_pass(stage: Stage) -> None:
    """Passed, then regraded below the mark: Moodle says 3, complete and failed."""
    module, _ = stage.activity("quiz")
    stage.completed(module, 2)
    stage.later(DAY).completed(module, 3, userid=stage.teacher)


def passed_after_fail(stage: Stage) -> None:
    module, _ = stage.activity("quiz")
    stage.completed(module, 3)
    stage.later(DAY).completed(module, 2)


def hidden_fail(stage: Stage) -> None:
    module, _ = stage.activity("quiz")
    stage.completed(module, 4)


def toggled(stage: Stage) -> None:
    module, _ = stage.activity("page")
    for state in (1, 0, 1):
        stage.completed(module, state)
        stage.later(60)


def toggled_at_once(stage: Stage) -> None:
    """All within one second: it is done, by the order of the rows, and nobody ever saw it undone."""
    module, _ = stage.activity("page")
    for state in (1, 0, 1):
        stage.completed(module, state)


def override_by_teacher(stage: Stage) -> None:
    """Given by hand and taken by hand: `overrideby` stands in both."""
    module, _ = stage.activity("page")
    other = {"relateduserid": stage.learner, "overrideby": stage.teacher}
    for state in (1, 0):
        stage.completed(module, state, userid=stage.teacher, other=other | {"completionstate": state})
        stage.later(60)


def logged_in_as(stage: Stage) -> None:
    module, _ = stage.activity("page")
    stage.completed(module, 1, realuserid=stage.teacher)


def restored_with_logs(stage: Stage) -> None:
    module, _ = stage.activity("page")
    stage.completed(module, 1, origin=None)
    stage.row(moodle.COURSE_COMPLETED, relateduserid=stage.learner, origin="restore", userid=2)


def by_cron(stage: Stage) -> None:
    """Twice, since somebody reset completion and cron found it again: a course is paid once."""
    for _ in range(2):
        stage.row(moodle.COURSE_COMPLETED, relateduserid=stage.learner, origin="cli", userid=2,
                  objecttable="course_completions", objectid=stage.numbers())  # fmt: skip
        stage.later(DAY)


def moved(stage: Stage) -> None:
    """Completed, moved to another section, completed again after a reset."""
    module, _ = stage.activity("page")
    stage.completed(module, 1)
    stage.put("course_sections", id=stage.course + 5_000, course=stage.course, section=2)
    stage.then("UPDATE mdl_course_modules SET section = ? WHERE id = ?", stage.course + 5_000, module)
    stage.later(DAY).completed(module, 1)


def deleted_activity(stage: Stage) -> None:
    """The activity is gone when the agent reads; what was done in it was done."""
    module, _ = stage.activity("quiz")
    stage.completed(module, 1)
    stage.then("DELETE FROM mdl_course_modules WHERE id = ?", module)


def suspended(stage: Stage) -> None:
    """Suspended the day after; cron completes the course for what was done before."""
    module, _ = stage.activity("page")
    stage.completed(module, 1)
    stage.then("UPDATE mdl_user SET suspended = 1 WHERE id = ?", stage.learner)
    stage.later(DAY).row(moodle.COURSE_COMPLETED, relateduserid=stage.learner, origin="cli", userid=2)


def teacher_as_student(stage: Stage) -> None:
    """A teacher who switched their role to student is a teacher all the same."""
    module, _ = stage.activity("page")
    stage.completed(module, 1, userid=stage.teacher, relateduserid=stage.teacher)


def guest(stage: Stage) -> None:
    module, _ = stage.activity("page")
    stage.completed(module, 1, userid=1, relateduserid=1)


def by_app(stage: Stage) -> None:
    module, _ = stage.activity("page")
    stage.completed(module, 1, origin="ws")


SCENES = [
    Scene(name="workshop: two grades", play=workshop_grades, gets=("any-grade 1", "good-grade 20")),
    Scene(name="workshop: a good submission", play=workshop_good,
          gets=("any-grade 1", "good-grade 20", "good-submission 11")),
    Scene(name="workshop: who assesses has done it", play=workshop_assessed, gets=("workshop-submission 6",),
          peer=("peer-review 4", "peer-review 4")),
    Scene(name="H5P", play=h5p, gets=("h5p 7", "good-grade 20", "any-grade 1", "lesson 10")),
    Scene(name="SCORM: two scoes", play=scorm, gets=("any-grade 1", "good-grade 20", "lesson 10")),
    Scene(name="SCORM: the last attempt counts", play=scorm_new_attempt,
          gets=("good-grade 20", "any-grade 1", "good-grade -20")),
    Scene(name="wiki", play=wiki, gets=("contribution 2", "contribution 2")),
    Scene(name="database and glossary", play=entries, gets=("contribution 2", "contribution 2")),
    Scene(name="taken away by a teacher", play=removed, gets=("contribution 2", "contribution -2") * 4),
    Scene(name="anonymous feedback", play=anonymous_feedback, gets=("lesson 10",)),
    Scene(name="feedback twice", play=named_feedback, gets=("survey 8",)),
    Scene(name="LTI", play=lti, gets=("good-grade 20", "any-grade 1")),
    Scene(name="forum: ratings and whole forum", play=forum_graded, gets=("any-grade 1", "good-grade 20")),
    Scene(name="a grade is cleared", play=cleared_grade, gets=("good-grade 20", "any-grade 1", "any-grade -1")),
    Scene(name="a grade is only cleared", play=only_cleared),
    Scene(name="the best word of a scale", play=scale_grade, gets=("good-grade 20", "any-grade 1")),
    Scene(name="the lowest word of a scale", play=lowest_of_scale, gets=("any-grade 1",)),
    Scene(name="an outcome is no grade", play=outcome, gets=("any-grade 1", "skill 12")),
    Scene(name="a grade from below zero", play=negative_scale, gets=("good-grade 20", "any-grade 1")),
    Scene(name="an item of no points", play=nothing_to_reach, gets=("any-grade 1",)),
    Scene(name="a bonus", play=bonus, gets=("good-grade 20", "any-grade 1")),
    Scene(name="overridden and locked", play=overridden, gets=("any-grade 1", "good-grade 20")),
    Scene(name="a manual item of the gradebook", play=manual_item),
    Scene(name="the total of a category", play=category_total),
    Scene(name="a team's submission put back", play=team, gets=("on-time 5", "on-time -5")),
    Scene(name="a team's completions", play=team_completions, gets=("on-time 5", "lesson 10"), peer=("lesson 10",)),
    Scene(name="a reopened attempt", play=reopened, gets=("on-time 5",)),
    Scene(name="back to draft, and late", play=second_attempt_after_draft, gets=("on-time 5", "on-time -5")),
    Scene(name="late with an extension", play=late_with_extension, gets=("on-time 5",)),
    Scene(name="late by the group's date", play=late_for_a_group),
    Scene(name="an override of the cut-off alone", play=own_override_of_another_field),
    Scene(name="no due date", play=no_due_date),
    Scene(name="blind marking", play=blind, gets=("lesson 10",)),
    Scene(name="quiz: average of attempts", play=quiz_highest,
          gets=("good-quiz 30", "good-grade 20", "any-grade 1", "good-grade -20")),
    Scene(name="a hidden item", play=hidden_item, gets=("any-grade 1",)),
    Scene(name="hidden until a date", play=hidden_until, gets=("any-grade 1", "any-grade 1", "seen-grade 13")),
    Scene(name="hidden for one", play=hidden_for_one, gets=("any-grade 1",)),
    Scene(name="who looks has looked", play=looked_at, gets=("look 19",), peer=("look 19",)),
    Scene(name="choice", play=choice, gets=("choice 16",)),
    Scene(name="lesson", play=lesson_ended, gets=("played 18",)),
    Scene(name="the total of a course is cleared", play=course_total, gets=("total 17", "total -17")),
    Scene(name="a deleted account", play=deleted_later, gets=("lesson 10",)),
    Scene(name="unenrolled", play=unenrolled, gets=("lesson 10",)),
    Scene(name="quiz: regraded below", play=quiz_regraded),
    Scene(name="quiz: marked by hand", play=quiz_essay, gets=("good-quiz 30",)),
    Scene(name="quiz: the kinder of two groups", play=quiz_override, gets=("quiz-on-time 3",)),
    Scene(name="quiz: handed in by cron", play=quiz_out_of_time, gets=("good-quiz 30",)),
    Scene(name="quiz: late by grace", play=quiz_late),
    Scene(name="passed, then failed", play=failed_after_pass, gets=("lesson 10", "passed 15", "passed -15")),
    Scene(name="failed, then passed", play=passed_after_fail, gets=("lesson 10", "passed 15")),
    Scene(name="failed and hidden", play=hidden_fail),
    Scene(name="toggled", play=toggled, gets=("lesson 10", "lesson -10", "lesson 10")),
    Scene(name="toggled at once", play=toggled_at_once, gets=("lesson 10",)),
    Scene(name="overridden by a teacher", play=override_by_teacher, gets=("lesson 10", "lesson -10")),
    Scene(name="logged in as", play=logged_in_as),
    Scene(name="restored with its log", play=restored_with_logs),
    Scene(name="completed twice by cron", play=by_cron, gets=("course 50",)),
    Scene(name="moved to another section", play=moved, gets=("lesson 10",)),
    Scene(name="a deleted activity", play=deleted_activity, gets=("lesson 10",)),
    Scene(name="suspended afterwards", play=suspended, gets=("lesson 10", "course 50")),
    Scene(name="a teacher as a student", play=teacher_as_student),
    Scene(name="a guest", play=guest),
    Scene(name="by the app", play=by_app, gets=("lesson 10",)),
]  # fmt: skip


@pytest.fixture(params=["mariadb", "postgres"])
def site(request: pytest.FixtureRequest) -> Site:
    """An empty Moodle on a real server of its own."""
    if request.param == "mariadb":
        return MariaSite(request.getfixturevalue("mariadb_database"))
    return PostgresSite(request.getfixturevalue("postgres_database"))


def test_each_activity_pays_what_its_events_say_and_no_more(site: Site, tmp_path: Path) -> None:
    stages = play(site, SCENES)
    assert isinstance(site, MariaSite | PostgresSite)
    agent = campus(tmp_path / "agent", site.database, RULES, extra='reconcile = "1m"')
    agent.catch_up()
    got: defaultdict[str, list[str]] = defaultdict(list)
    for row in agent.export():
        got[row["learner"]].append(f"{row['rule_id']} {row['amount']}")
    wanted, found = {}, {}
    for scene in SCENES:
        stage = stages[scene.name]
        wanted[scene.name] = (scene.gets, scene.peer, ())
        found[scene.name] = tuple(
            tuple(got.pop(f"moodle:{user}", ())) for user in (stage.learner, stage.peer, stage.teacher)
        )
    assert {name: (got, wanted[name]) for name, got in found.items() if got != wanted[name]} == {}
    assert not got, "nobody else gets anything"


def test_an_essay_that_is_marked_down_by_hand_gives_back_what_it_earned(site: Site, tmp_path: Path) -> None:
    # Moodle tells of each question that somebody marks, and of nothing else where the quiz has no grade.
    made: list[int] = []

    def essay(stage: Stage) -> None:
        module, quiz = stage.quiz()
        made.extend((module, stage.attempted(module, quiz, None)))

    assert isinstance(site, MariaSite | PostgresSite)
    (stage,) = play(site, [Scene(name="essay", play=essay)]).values()
    module, attempt = made
    agent = campus(tmp_path / "agent", site.database, RULES)

    def paid() -> list[str]:
        agent.catch_up()
        return [row["amount"] for row in agent.export() if row["rule_id"] == "good-quiz"]

    assert paid() == []
    for number, marks in enumerate((9, 8.5, 5), 100):
        site.execute("UPDATE mdl_quiz_attempts SET sumgrades = ?", (marks,))
        log(site, number, eventname=moodle.QUIZ_QUESTION_MARKED, objecttable="question", objectid=7,
            userid=stage.teacher, contextlevel=70, contextinstanceid=module, courseid=stage.course,
            timecreated=AT + number, other=f'{{"quizid":"1","attemptid":"{attempt}","slot":1}}')  # fmt: skip
        paid()
    assert paid() == ["30", "-30"]


def test_a_hidden_grade_is_paid_once_the_learner_can_see_it(site: Site, tmp_path: Path) -> None:
    assert isinstance(site, MariaSite | PostgresSite)
    (stage,) = play(site, [Scene(name="hidden", play=hidden_item)]).values()
    agent = campus(tmp_path / "agent", site.database, RULES, extra='reconcile = "1m"')
    shown = f"seen-grade 13 at {datetime.fromtimestamp(AT, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def seen() -> list[str]:
        agent.catch_up()
        rows = [row for row in agent.export() if row["rule_id"] == "seen-grade"]
        return [f"{row['rule_id']} {row['amount']} at {row['occurred_at']}" for row in rows]

    assert seen() == []
    site.execute("UPDATE mdl_grade_items SET hidden = 0, timemodified = ? WHERE courseid = ?",
                 (int(time.time()), stage.course))  # fmt: skip
    assert seen() == [shown], "for what was done then"
    assert seen() == [shown]
