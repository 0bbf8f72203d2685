"""What the shipped rules must have paid, counted in SQL over the campus's own tables; knows nothing of the engine.

The SQL finds the facts that may earn; what is left to count here is once per scope and so many a day, in the order of
the log.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import tomli

from agent.demo.stage.place import SOURCE, Place

_LOG = "mdl_logstore_standard_log"

# One row per fact that may earn: not by a guest, nobody, the system, an administrator or staff of the course, not while
# logged in as another, not anonymous, not restored, not a day older than what came before it.
_FACTS = r"""
CREATE TEMP TABLE fact AS
WITH seen AS (
  SELECT l.*, MAX(timecreated) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newest_before
  FROM mdl_logstore_standard_log l
), named AS (
  SELECT seen.*,
    CASE eventname
      WHEN '\core\event\course_module_completion_updated' THEN 'lesson.completed'
      WHEN '\core\event\course_completed' THEN 'course.completed'
      WHEN '\mod_quiz\event\attempt_submitted' THEN 'quiz.submitted'
      WHEN '\mod_assign\event\assessable_submitted' THEN 'assignment.submitted'
      WHEN '\mod_forum\event\post_created' THEN 'forum.posted'
      WHEN '\mod_forum\event\discussion_created' THEN 'forum.posted'
      WHEN '\core\event\tag_added' THEN 'forum.tagged'
      WHEN '\core\event\user_graded' THEN 'graded'
    END AS kind,
    CASE WHEN eventname LIKE '\mod_forum\event\%' THEN userid
         WHEN eventname = '\core\event\tag_added' THEN (
           SELECT p.userid FROM mdl_tag_instance t JOIN mdl_forum_posts p ON p.id = t.itemid WHERE t.id = objectid)
         WHEN eventname = '\mod_assign\event\assessable_submitted' THEN COALESCE(relateduserid, userid)
         ELSE relateduserid END AS learner,
    CASE WHEN eventname = '\mod_forum\event\discussion_created'
         THEN (SELECT d.firstpost FROM mdl_forum_discussions d WHERE d.id = objectid)
         WHEN eventname = '\mod_forum\event\post_created' THEN objectid
         WHEN eventname = '\core\event\tag_added'
         THEN (SELECT t.itemid FROM mdl_tag_instance t WHERE t.id = objectid) END AS post,
    CASE WHEN json_valid(other) THEN json_extract(other, '$.completionstate')
         WHEN other LIKE '%"completionstate";i:1;%' THEN 1
         WHEN other LIKE '%"completionstate";i:2;%' THEN 2 END AS state,
    CASE WHEN eventname <> '\core\event\user_graded' THEN NULL
         WHEN json_valid(other) THEN json_extract(other, '$.finalgrade')
         ELSE substr(other, instr(other, '"finalgrade";i:') + 15) END AS grade
  FROM seen
)
SELECT id, kind, learner, userid AS actor, CAST(grade AS INTEGER) AS grade, courseid AS course,
       contextinstanceid AS activity, post, objectid AS object,
       timecreated AS at, local_day(timecreated) AS day
FROM named
WHERE kind IS NOT NULL AND (kind <> 'lesson.completed' OR state IN (1, 2))
  AND origin IS NOT NULL AND origin <> 'restore' AND COALESCE(objectid, 0) NOT IN (-31337, -31338)
  AND anonymous = 0 AND realuserid IS NULL AND learner > 2
  AND timecreated >= COALESCE(newest_before, 0) - 86400
  AND NOT EXISTS (
    SELECT 1 FROM mdl_role_assignments ra JOIN mdl_role r ON r.id = ra.roleid JOIN mdl_context x ON x.id = ra.contextid
    WHERE ra.userid = learner AND r.archetype IN ('manager', 'editingteacher', 'teacher')
      AND (x.contextlevel = 10 OR (x.contextlevel = 50 AND x.instanceid = courseid)))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How one rule is counted: ``sql`` gives (learner, scope, day) in the log's order, each scope is paid once."""

    sql: str
    points: int
    per_day: int | None = None


_LESSON = "SELECT learner, activity, day FROM fact WHERE kind = 'lesson.completed' ORDER BY id"
_COURSE = "SELECT learner, course, day FROM fact WHERE kind = 'course.completed' ORDER BY id"
_QUIZ_80 = """
SELECT f.learner, f.activity, f.day FROM fact f
JOIN mdl_quiz_attempts a ON a.id = f.object JOIN mdl_quiz q ON q.id = a.quiz
WHERE f.kind = 'quiz.submitted' AND a.preview = 0 AND 100 * a.sumgrades >= 80 * q.sumgrades ORDER BY f.id
"""
_POST = """
SELECT f.learner, f.post, f.day FROM fact f JOIN mdl_forum_posts p ON p.id = f.post
WHERE f.kind = 'forum.posted' AND p.wordcount >= 20 ORDER BY f.id
"""
_SECTION = """
SELECT f.learner, cm.section, f.day FROM fact f JOIN mdl_course_modules cm ON cm.id = f.activity
WHERE f.kind = 'lesson.completed' AND 100 * (
    SELECT COUNT(*) FROM mdl_course_modules m JOIN mdl_course_modules_completion c ON c.coursemoduleid = m.id
    WHERE m.section = cm.section AND m.completion > 0 AND m.deletioninprogress = 0
      AND c.userid = f.learner AND c.completionstate IN (1, 2) AND c.timemodified <= f.at
  ) >= 80 * (
    SELECT COUNT(*) FROM mdl_course_modules m
    WHERE m.section = cm.section AND m.completion > 0 AND m.deletioninprogress = 0)
ORDER BY f.id
"""
_IN_TIME = """
SELECT f.learner, f.course, f.day FROM fact f JOIN mdl_course c ON c.id = f.course
WHERE f.kind = 'course.completed' AND f.at - (
    SELECT MIN(CASE WHEN ue.timestart > 0 THEN ue.timestart ELSE ue.timecreated END)
    FROM mdl_user_enrolments ue JOIN mdl_enrol e ON e.id = ue.enrolid
    WHERE ue.userid = f.learner AND e.courseid = f.course
  ) <= 86400 * CASE c.shortname WHEN 'BIO101' THEN 30 ELSE 90 END
ORDER BY f.id
"""
_TAGGED = """
SELECT learner, post, day FROM fact
JOIN mdl_tag_instance i ON i.id = object JOIN mdl_tag t ON t.id = i.tagid AND t.name = 'constructive'
WHERE kind = 'forum.tagged' AND EXISTS (
  SELECT 1 FROM mdl_role_assignments ra JOIN mdl_role r ON r.id = ra.roleid JOIN mdl_context x ON x.id = ra.contextid
  WHERE ra.userid = actor AND r.archetype IN ('manager', 'editingteacher', 'teacher')
    AND (x.contextlevel = 10 OR (x.contextlevel = 50 AND x.instanceid = course)))
ORDER BY fact.id
"""
_STREAK = """
SELECT learner, date(day, '-6 days', 'weekday 1') AS monday, day FROM fact
WHERE kind = 'lesson.completed' AND day NOT BETWEEN '2026-12-24' AND '2027-01-05'
GROUP BY learner, monday HAVING COUNT(DISTINCT day) >= 5
"""
_PROGRAMME = """
SELECT f.learner, 0, '' FROM fact f
JOIN mdl_grade_grades g ON g.id = f.object JOIN mdl_grade_items i ON i.id = g.itemid AND i.itemtype = 'course'
JOIN mdl_course c ON c.id = f.course AND c.shortname IN ('FIRE01', 'CARE201')
WHERE f.kind = 'graded' AND f.grade >= 80 GROUP BY f.learner HAVING COUNT(DISTINCT c.id) = 2
"""

COUNTS: Mapping[str, Count] = {
    "lesson-completed": Count(sql=_LESSON, points=10, per_day=3),
    "quiz-80": Count(sql=_QUIZ_80, points=10),
    "forum-post": Count(sql=_POST, points=5, per_day=1),
    "section-mastery": Count(sql=_SECTION, points=10),
    "course-completed": Count(sql=_COURSE, points=50),
    "course-in-time": Count(sql=_IN_TIME, points=15),
    "weekly-streak": Count(sql=_STREAK, points=20),
    "constructive-post": Count(sql=_TAGGED, points=5, per_day=1),
    "programme-complete": Count(sql=_PROGRAMME, points=100),
}
"""The shipped rules that pay; the others are in shadow or off. One that is added there is counted here."""


def expected(place: Place) -> Counter[tuple[str, str]]:
    """(rule, learner) → what must have been paid, for every rule of the shipped file."""
    due: Counter[tuple[str, str]] = Counter()
    with _facts(place) as db:
        for rule, count in COUNTS.items():
            for learner in _paid(db, count):
                due[rule, f"{SOURCE}:{learner}"] += count.points
    return due


def log_rows(place: Place) -> int:
    """How many rows the campus's log has."""
    with closing(sqlite3.connect(f"file:{place.moodle}?mode=ro", uri=True)) as db:
        return int(db.execute(f"SELECT COUNT(*) FROM {_LOG}").fetchone()[0])  # noqa: S608 - a constant


def _paid(db: sqlite3.Connection, count: Count) -> Iterator[int]:
    taken: set[tuple[int, int]] = set()
    days: Counter[tuple[int, str]] = Counter()
    for learner, scope, day in db.execute(count.sql):
        if (learner, scope) in taken or (count.per_day is not None and days[learner, day] >= count.per_day):
            continue
        taken.add((learner, scope))
        days[learner, day] += 1
        yield learner


@contextmanager
def _facts(place: Place) -> Iterator[sqlite3.Connection]:
    zone = ZoneInfo(tomli.loads(place.rules.read_text(encoding="utf-8"))["timezone"])

    def local_day(at: int) -> str:
        return datetime.fromtimestamp(at, zone).date().isoformat()

    with closing(sqlite3.connect(f"file:{place.moodle}?mode=ro", uri=True)) as db:
        db.create_function("local_day", 1, local_day, deterministic=True)
        db.execute(_FACTS)
        yield db
