r"""The five state tables: how each is read in slices of its ids, and what a row of it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agent.collectors.logstore.dialects.database import Row
from agent.collectors.logstore.draft import Draft
from agent.collectors.states.found import Found, Told
from agent.collectors.systems import moodle
from agent.collectors.systems.moodle import RATED
from agent.engine.sighting.untold import BADGE, COMPLETED, COMPLETION, GRADED
from agent.model import Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One state table. ``rows`` takes the ids after and upto, and the times after and upto, as its four parameters.

    ``ids`` asks for id, time and course of the rows between two ids; empty where rows are changed in place so often
    that their neighbours say nothing about when they were made.
    """

    name: str
    event: str
    rows: str
    ids: str
    found: Callable[[Row], Found]
    late: bool = False

    def wanted(self, demand: Demand) -> bool:
        """Whether any rule waits for what this table tells."""
        if self.event == RATED:
            return any(fnmatchcase("forum.rated", pattern) for pattern in demand.patterns)
        return self.event in demand.names


def _lesson(row: Row) -> Found:
    number, at, learner, course, module, state, overrideby, began = row
    told = Told(id=number, learner=learner, at=at, course=course, row=number, began=began or 0)
    return told.lesson(module, state, overrideby)


def _course(row: Row) -> Found:
    number, at, learner, course = row
    return Told(id=number, learner=learner, at=at, course=course, row=number).completed()


def _grade(row: Row) -> Found:
    number, at, learner, course, item, grade, overridden, began = row
    final = moodle.canonical_decimal(grade)
    told = Told(id=number, learner=learner, at=at, course=course, row=number, began=began or 0)
    return told.graded(item, final, overridden=bool(overridden), name=str(number))


def _badge(row: Row) -> Found:
    number, at, learner, course, badge = row
    return Told(id=number, learner=learner, at=at, course=course).given(badge)


def _rating(row: Row) -> Found:
    number, at, author, course, post, rater, rating, module, scale = row
    about = {"rating": rating, "scaleid": scale}
    return Told(id=number, learner=author, at=at, course=course).rated(post, rater, str(rating), module, other=about)


TABLES: tuple[Table, ...] = (
    Table(
        name="course_modules_completion",
        event=COMPLETION,
        # A restored activity keeps when its original was added: it is younger than each with a lower number.
        rows="SELECT t.id, t.timemodified, t.userid, m.course, t.coursemoduleid, t.completionstate, t.overrideby, "
        "(SELECT MAX(e.added) FROM {course_modules} e WHERE e.course = m.course AND e.id <= m.id) "
        "FROM {course_modules_completion} t JOIN {course_modules} m ON m.id = t.coursemoduleid "
        "WHERE t.id > ? AND t.id <= ? AND t.timemodified > ? AND t.timemodified <= ? "
        "AND t.completionstate IN (1, 2) ORDER BY t.id",
        ids="SELECT t.id, t.timemodified, m.course FROM {course_modules_completion} t "
        "JOIN {course_modules} m ON m.id = t.coursemoduleid WHERE t.id > ? AND t.id <= ? ORDER BY t.id",
        found=_lesson,
    ),
    Table(
        name="course_completions",
        event=COMPLETED,
        rows="SELECT t.id, t.timecompleted, t.userid, t.course FROM {course_completions} t "
        "WHERE t.id > ? AND t.id <= ? AND t.timecompleted > ? AND t.timecompleted <= ? ORDER BY t.id",
        ids="SELECT t.id, t.timecompleted, t.course FROM {course_completions} t "
        "WHERE t.id > ? AND t.id <= ? AND t.timecompleted IS NOT NULL ORDER BY t.id",
        found=_course,
        late=True,  # cron writes when the last criterion was met
    ),
    Table(
        name="grade_grades",
        event=GRADED,
        rows="SELECT t.id, t.timemodified, t.userid, i.courseid, t.itemid, t.finalgrade, t.overridden, i.timecreated "
        "FROM {grade_grades} t JOIN {grade_items} i ON i.id = t.itemid "
        "WHERE t.id > ? AND t.id <= ? AND t.timemodified > ? AND t.timemodified <= ? "
        "AND t.finalgrade IS NOT NULL ORDER BY t.id",
        ids="",
        found=_grade,
    ),
    Table(
        name="badge_issued",
        event=BADGE,
        rows="SELECT t.id, t.dateissued, t.userid, b.courseid, t.badgeid "
        "FROM {badge_issued} t JOIN {badge} b ON b.id = t.badgeid "
        "WHERE t.id > ? AND t.id <= ? AND t.dateissued > ? AND t.dateissued <= ? ORDER BY t.id",
        ids="",
        found=_badge,
    ),
    Table(
        name="rating",
        event=RATED,
        rows="SELECT t.id, t.timemodified, p.userid, d.course, p.id, t.userid, t.rating, x.instanceid, t.scaleid "
        "FROM {rating} t JOIN {forum_posts} p ON p.id = t.itemid "
        "JOIN {forum_discussions} d ON d.id = p.discussion JOIN {context} x ON x.id = t.contextid "
        "WHERE t.id > ? AND t.id <= ? AND t.timemodified > ? AND t.timemodified <= ? "
        "AND t.component = 'mod_forum' AND t.ratingarea = 'post' ORDER BY t.id",
        ids="SELECT t.id, t.timemodified, d.course FROM {rating} t JOIN {forum_posts} p ON p.id = t.itemid "
        "JOIN {forum_discussions} d ON d.id = p.discussion "
        "WHERE t.id > ? AND t.id <= ? AND t.component = 'mod_forum' ORDER BY t.id",
        found=_rating,
    ),
)
"""In this order: lessons before the courses that they complete, both before the grades."""


def as_told(draft: Draft, one: Found) -> None:
    """Nobody knows who did it, but for a rating: its rater did, and the author of the post is whom it is about."""
    if one.event == RATED:
        draft.kind = "forum.rated"
        draft.other = one.other
        draft.post = draft.object_id
        draft.people["author"] = str(one.learner)
    else:
        draft.people.pop("actor", None)


def events_of(found: Iterable[Found]) -> frozenset[str]:
    """The names that log rows about these would have."""
    return frozenset(one.event for one in found) - {RATED}
