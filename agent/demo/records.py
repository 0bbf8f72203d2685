"""Moodle's state tables as the campus writes them: completions, grades, attempts, submissions, posts."""

from __future__ import annotations

import hashlib
import sqlite3

from agent.demo.campus import Activity, Course, insert
from agent.demo.cast import QUIZ_MARKS

DONE = (1, 2)
"""Completion states that count: complete, complete and passed."""


class Records:
    """Writes state and answers what the campus itself wants to know. Commits nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def completion(self, activity: Activity, user: int, state: int, at: int) -> int:
        """Set a learner's completion of an activity; gives the row's id."""
        sql = (
            "INSERT INTO mdl_course_modules_completion (coursemoduleid, userid, completionstate, timemodified) "
            "VALUES (?, ?, ?, ?) ON CONFLICT (userid, coursemoduleid) DO UPDATE SET "
            "completionstate = excluded.completionstate, timemodified = excluded.timemodified RETURNING id"
        )
        return self._id(sql, (activity.cm, user, state, at))

    def state(self, activity: Activity, user: int) -> int:
        """The learner's completion state; 0 where nothing is recorded."""
        sql = "SELECT completionstate FROM mdl_course_modules_completion WHERE userid = ? AND coursemoduleid = ?"
        found = self._db.execute(sql, (user, activity.cm)).fetchone()
        return int(found[0]) if found else 0

    def touched(self, section: int, user: int) -> int:
        """When the learner last completed something of a section; 0 where nothing is recorded."""
        sql = (
            "SELECT coalesce(max(c.timemodified), 0) FROM mdl_course_modules_completion c "
            "JOIN mdl_course_modules m ON m.id = c.coursemoduleid WHERE c.userid = ? AND m.section = ?"
        )
        return int(self._db.execute(sql, (user, section)).fetchone()[0])

    def open_activities(self, course: Course, user: int) -> list[Activity]:
        """What the learner has not completed yet, in teaching order."""
        return [activity for activity in course.activities if self.state(activity, user) not in DONE]

    def grade(self, item: int, user: int, value: int, grader: int, at: int) -> int:
        """Set a final grade; gives the id of the `grade_grades` row."""
        sql = (
            "INSERT INTO mdl_grade_grades (itemid, userid, rawgrade, finalgrade, rawgrademax, usermodified, "
            "timecreated, timemodified) VALUES (?1, ?2, ?3, ?3, 100, ?4, ?5, ?5) "
            "ON CONFLICT (userid, itemid) DO UPDATE SET rawgrade = excluded.rawgrade, "
            "finalgrade = excluded.finalgrade, usermodified = excluded.usermodified, "
            "timemodified = excluded.timemodified RETURNING id"
        )
        return self._id(sql, (item, user, value, grader, at))

    def course_total(self, course: Course, user: int, at: int) -> tuple[int, int]:
        """Work the course total out again: (id of its `grade_grades` row, the total as a whole percentage)."""
        sql = (
            "SELECT COALESCE(SUM(gg.finalgrade), 0) / MAX(COUNT(*), 1) FROM mdl_grade_grades gg "
            "JOIN mdl_grade_items gi ON gi.id = gg.itemid WHERE gi.courseid = ? AND gi.itemtype = 'mod' "
            "AND gg.userid = ?"
        )
        total = int(self._db.execute(sql, (course.id, user)).fetchone()[0])
        return self.grade(course.total_item, user, total, -1, at), total

    def attempt(self, quiz: Activity, user: int, marks: int, at: int) -> int:
        """A finished quiz attempt, the learner's next; gives its id."""
        sql = "SELECT COUNT(*) FROM mdl_quiz_attempts WHERE quiz = ? AND userid = ?"
        number = self._db.execute(sql, (quiz.instance, user)).fetchone()[0] + 1
        unique = self._db.execute("SELECT COALESCE(MAX(uniqueid), 0) + 1 FROM mdl_quiz_attempts").fetchone()[0]
        return insert(
            self._db,
            "quiz_attempts",
            quiz=quiz.instance,
            userid=user,
            attempt=number,
            uniqueid=unique,
            state="finished",
            timestart=at - 300,
            timefinish=at,
            timemodified=at,
            sumgrades=min(marks, QUIZ_MARKS),
        )

    def submission(self, assign: Activity, user: int, at: int) -> tuple[int, bool]:
        """Hand an essay in, or hand it in again: (submission id, whether it is the first time)."""
        sql = "SELECT id FROM mdl_assign_submission WHERE assignment = ? AND userid = ?"
        found = self._db.execute(sql, (assign.instance, user)).fetchone()
        if found:
            self._db.execute("UPDATE mdl_assign_submission SET timemodified = ? WHERE id = ?", (at, found[0]))
            return int(found[0]), False
        row = {"assignment": assign.instance, "userid": user, "status": "submitted", "latest": 1}
        return insert(self._db, "assign_submission", timecreated=at, timemodified=at, **row), True

    def discussion(self, forum: Activity, user: int, text: str, at: int) -> tuple[int, int]:
        """Open a discussion: (discussion id, id of its first post)."""
        row = {"course": forum.course, "forum": forum.instance, "userid": user, "usermodified": user, "groupid": -1}
        discussion = insert(self._db, "forum_discussions", name=text[:40], timemodified=at, **row)
        post = self.post(discussion, user, text, at)
        self._db.execute("UPDATE mdl_forum_discussions SET firstpost = ? WHERE id = ?", (post, discussion))
        return discussion, post

    def post(self, discussion: int, user: int, text: str, at: int, *, parent: int = 0) -> int:
        """Write a post, counted as Moodle counts words and characters; gives its id."""
        words = len(text.split()) if any(letter.isalnum() for letter in text) else 0
        return insert(
            self._db,
            "forum_posts",
            discussion=discussion,
            parent=parent,
            userid=user,
            created=at,
            modified=at,
            subject=text[:40],
            message=text,
            messageformat=1,
            wordcount=words,
            charcount=len(text.replace(" ", "")),
        )

    def open_discussion(self, forum: Activity) -> tuple[int, int] | None:
        """The newest discussion of a forum: (its id, its first post), or None."""
        sql = "SELECT id, firstpost FROM mdl_forum_discussions WHERE forum = ? ORDER BY id DESC LIMIT 1"
        found = self._db.execute(sql, (forum.instance,)).fetchone()
        return (int(found[0]), int(found[1])) if found else None

    def course_completed(self, course: Course, user: int, at: int, *, again: bool = False) -> int:
        """Record that a course is completed; with ``again`` the old row was deleted and a new one takes its place."""
        if again:
            self._db.execute("DELETE FROM mdl_course_completions WHERE userid = ? AND course = ?", (user, course.id))
        sql = (
            "INSERT INTO mdl_course_completions (id, userid, course, timeenrolled, timestarted, timecompleted) VALUES "
            "((SELECT COALESCE(MAX(id), 0) + ? FROM mdl_course_completions), ?, ?, ?, ?, ?) "
            "ON CONFLICT (userid, course) DO UPDATE SET timecompleted = excluded.timecompleted RETURNING id"
        )
        return self._id(sql, (2 if again else 1, user, course.id, at, at, at))

    def badge(self, course: Course, user: int, at: int) -> int | None:
        """Issue the course badge: the id of `badge_issued`, or None where the learner has it."""
        sql = "SELECT 1 FROM mdl_badge_issued WHERE badgeid = ? AND userid = ?"
        if self._db.execute(sql, (course.badge, user)).fetchone():
            return None
        unique = hashlib.sha256(f"{course.badge}/{user}".encode()).hexdigest()[:40]
        return insert(
            self._db, "badge_issued", badgeid=course.badge, userid=user, uniquehash=unique, dateissued=at, visible=1
        )

    def rating(self, post: int, context: int, rater: int, stars: int, at: int) -> int:
        """A teacher's rating of a post; Moodle writes no event of its own for it."""
        row = {"component": "mod_forum", "ratingarea": "post", "itemid": post, "scaleid": 5, "rating": stars}
        return insert(self._db, "rating", contextid=context, userid=rater, timecreated=at, timemodified=at, **row)

    def tag(self, post: int, context: int, name: str, user: int, at: int) -> tuple[int, int]:
        """Tag a post: (id of the tag, id of its `tag_instance`)."""
        found = self._db.execute("SELECT id FROM mdl_tag WHERE name = ?", (name,)).fetchone()
        tag = int(found[0]) if found else insert(self._db, "tag", userid=user, tagcollid=1, name=name, rawname=name)
        row = {"component": "mod_forum", "itemtype": "forum_posts", "itemid": post, "tiuserid": user}
        when = {"timecreated": at, "timemodified": at}
        return tag, insert(self._db, "tag_instance", tagid=tag, contextid=context, **row, **when)

    def _id(self, sql: str, values: tuple[int, ...]) -> int:
        return int(self._db.execute(sql, values).fetchall()[0][0])
