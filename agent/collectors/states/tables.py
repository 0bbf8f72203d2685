r"""The five state tables: how each is read in slices of its ids, and what a row of it says.

A row is written as the row of the log that Moodle should have written: the look-ups then add to it what they add to
every act. Nobody is named as its actor but the rater of a rating, because the tables do not say who it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import orjson

from agent.collectors.logstore.dialects.database import Row
from agent.collectors.logstore.draft import Draft
from agent.collectors.systems import moodle
from agent.collectors.systems.moodle import RATED
from agent.engine.sighting.untold import BADGE, COMPLETED, COMPLETION, GRADED, STATE
from agent.model import Demand, Fact

COURSE_LEVEL = 50
"""`contextlevel` of a course."""
_ORIGIN = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One row of a state table. ``state`` is the completion state, the grade or the rating as text, else empty.

    ``facts`` are known of it already, ``other`` is what look-ups need to know. ``row`` is what the log should have had
    (`agent.collectors.logstore.draft.COLUMNS`); its number is 0.
    """

    id: int
    event: str
    learner: int
    object: str
    state: str
    at: int
    course: int | None
    row: Row
    facts: Mapping[str, Fact] = field(default_factory=dict)
    other: moodle.Other = field(default_factory=dict)

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The key of its own kind: nobody knows the actor that a log row's key would have."""
        return (STATE, self.event, str(self.learner), self.object, self.state, str(self.at))


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


def log_row(  # noqa: PLR0913 - the columns of the log
    event: str,
    *,
    table: str,
    object_id: int | None,
    level: int,
    instance: int,
    learner: int,
    at: int,
    course: int | None,
    user: int = 0,
    other: object = None,
) -> Row:
    """The row of the log that Moodle should have written; its number is 0."""
    text = orjson.dumps(other).decode() if other is not None else None
    return (0, event, table, object_id, level, instance, user, course or 0, learner, 0, text, at, _ORIGIN, None)


def _completion(row: Row) -> Found:
    number, at, learner, course, module, state, overrideby = row
    return Found(
        id=number,
        event=COMPLETION,
        learner=learner,
        object=str(module),
        state=str(state),
        at=at,
        course=course,
        row=log_row(
            COMPLETION,
            table="course_modules_completion",
            object_id=number,
            level=moodle.CONTEXT_MODULE,
            instance=module,
            learner=learner,
            at=at,
            course=course,
            other={"completionstate": state, "overrideby": overrideby, "relateduserid": learner},
        ),
    )


def _course(row: Row) -> Found:
    number, at, learner, course = row
    return Found(
        id=number,
        event=COMPLETED,
        learner=learner,
        object=str(course),
        state="",
        at=at,
        course=course,
        row=log_row(
            COMPLETED,
            table="course_completions",
            object_id=number,
            level=COURSE_LEVEL,
            instance=course,
            learner=learner,
            at=at,
            course=course,
        ),
    )


def _grade(row: Row) -> Found:
    number, at, learner, course, item, grade, overridden = row
    final = moodle.canonical_decimal(grade)
    return Found(
        id=number,
        event=GRADED,
        learner=learner,
        object=str(number),
        state=final,
        at=at,
        course=course,
        row=log_row(
            GRADED,
            table="grade_grades",
            object_id=number,
            level=COURSE_LEVEL,
            instance=course,
            learner=learner,
            at=at,
            course=course,
            other={"itemid": item, "finalgrade": final, "overridden": bool(overridden)},
        ),
    )


def _badge(row: Row) -> Found:
    number, at, learner, course, badge = row
    return Found(
        id=number,
        event=BADGE,
        learner=learner,
        object=str(badge),
        state="",
        at=at,
        course=course,
        row=log_row(
            BADGE,
            table="badge",
            object_id=badge,
            level=COURSE_LEVEL,
            instance=course or 0,
            learner=learner,
            at=at,
            course=course,
        ),
    )


def _rating(row: Row) -> Found:
    number, at, author, course, post, rater, rating, module, scale = row
    return Found(
        id=number,
        event=RATED,
        learner=author,
        object=f"{post} by {rater}",
        state=str(rating),
        at=at,
        course=course,
        row=log_row(
            RATED,
            table="forum_posts",
            object_id=post,
            level=moodle.CONTEXT_MODULE,
            instance=module,
            learner=author,
            at=at,
            course=course,
            user=rater,
        ),
        other={"rating": rating, "scaleid": scale},
    )


TABLES: tuple[Table, ...] = (
    Table(
        name="course_modules_completion",
        event=COMPLETION,
        rows="SELECT t.id, t.timemodified, t.userid, m.course, t.coursemoduleid, t.completionstate, t.overrideby "
        "FROM {course_modules_completion} t JOIN {course_modules} m ON m.id = t.coursemoduleid "
        "WHERE t.id > ? AND t.id <= ? AND t.timemodified > ? AND t.timemodified <= ? "
        "AND t.completionstate IN (1, 2) ORDER BY t.id",
        ids="SELECT t.id, t.timemodified, m.course FROM {course_modules_completion} t "
        "JOIN {course_modules} m ON m.id = t.coursemoduleid WHERE t.id > ? AND t.id <= ? ORDER BY t.id",
        found=_completion,
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
        rows="SELECT t.id, t.timemodified, t.userid, i.courseid, t.itemid, t.finalgrade, t.overridden "
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
