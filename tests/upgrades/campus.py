"""The small campus that every schema's program has worked for: what its Moodle logged, and the rules."""

from __future__ import annotations

from pathlib import Path

from tests.sites import LOGGED_IN, SqliteSite, log, put

DAY_S = 86_400
BEGAN = 1_793_500_000
LEARNERS = (35, 36, 37, 38)
TEACHER = 50

BASE = """
schema = 1
timezone = "Africa/Johannesburg"

[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
limit = "3/day"

[[rule]]
id = "quiz"
on = "quiz.submitted"
conditions = { score_pct = ">=80" }
award = 10
once_per = "lesson"

[[rule]]
id = "login"
on = "user.logged_in"
award = 1
cooldown = "6h"
"""

MORE = (
    """
[[deny]]
on = "forum.posted"
conditions = { word_count = "<3" }
reason = "too short"

[[rule]]
id = "post"
on = "forum.posted"
award = 5
""",
    """
[[badge]]
id = "starter"
name = "Starter"

[[rule]]
id = "five-days"
on = "lesson.completed"
streak = { days = 3, in = "week" }
award = 20
badge = "starter"
""",
    """
[currency.credit]
expires_after = "30d"

[[rule]]
id = "asked"
on = "lesson.completed"
award = { credit = 2 }
once_per = "course"
review = "always"
""",
)
"""What later programs can do besides; an older one refuses it."""


def site(path: Path) -> SqliteSite:
    """Its Moodle in a file, the same every time: twelve days of lessons, quizzes, posts and logins."""
    made = SqliteSite(path)
    put(made, "context", id=1, contextlevel=10, instanceid=0, path="/1")
    put(made, "context", id=20, contextlevel=50, instanceid=2, path="/1/20")
    put(made, "role", id=3, shortname="editingteacher", archetype="editingteacher")
    put(made, "role_assignments", id=1, roleid=3, contextid=20, userid=TEACHER)
    put(made, "course", id=2, category=1, shortname="BIO101", idnumber="", startdate=BEGAN)
    put(made, "quiz", id=7, course=2, sumgrades=10, timeclose=0)
    ids = iter(range(1, 10_000))
    for day in range(12):
        for number, user in enumerate((*LEARNERS, TEACHER)):
            at = BEGAN + day * DAY_S + number * 600
            log(made, next(ids), eventname=LOGGED_IN, userid=user, courseid=0, contextlevel=10, timecreated=at)
            if (day + number) % 3:
                _lesson(made, next(ids), user, 100 + day, at + 60)
            if day % 4 == number % 4:
                _quiz(made, next(ids), user, day, at + 90)
    _lesson(made, next(ids), LEARNERS[0], 100, BEGAN + 12 * DAY_S, origin="restore")
    _lesson(made, next(ids), LEARNERS[1], 101, BEGAN + 2 * DAY_S)
    return made


def _lesson(made: SqliteSite, number: int, user: int, lesson: int, at: int, origin: str = "web") -> None:
    log(
        made,
        number,
        eventname=r"\core\event\course_module_completion_updated",
        objecttable="course_modules_completion",
        objectid=number,
        contextlevel=70,
        contextinstanceid=lesson,
        userid=user,
        relateduserid=user,
        courseid=2,
        other=f'{{"relateduserid":{user},"overrideby":null,"completionstate":1}}',
        timecreated=at,
        origin=origin,
    )


def _quiz(made: SqliteSite, number: int, user: int, day: int, at: int) -> None:
    put(made, "quiz_attempts", id=number, uniqueid=number, quiz=7, userid=user, attempt=day, preview=0, sumgrades=day)
    log(
        made,
        number,
        eventname=r"\mod_quiz\event\attempt_submitted",
        objecttable="quiz_attempts",
        objectid=number,
        contextlevel=70,
        contextinstanceid=200 + day,
        userid=user,
        relateduserid=user,
        courseid=2,
        timecreated=at,
    )
