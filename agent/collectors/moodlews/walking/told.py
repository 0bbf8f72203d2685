"""What web services tell about one learner in one course, written as the state tables would have it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from agent.collectors.moodlews import shapes
from agent.collectors.rating import of_text
from agent.collectors.states.tables import COURSE_LEVEL, Found, log_row
from agent.collectors.systems import moodle
from agent.collectors.systems.moodle import RATED
from agent.engine.sighting.untold import COMPLETED, COMPLETION, GRADED

_PAID_SORTS = frozenset({"mod", "course"})
"""Grade items that are grades of an activity or of the course; others are sums and notes of teachers."""


def completions(course: int, learner: int, statuses: Iterable[shapes.Status]) -> Iterator[Found]:
    """The activities that a learner has completed."""
    for one in statuses:
        if one.state in shapes.DONE and one.at > 0:
            yield Found(
                id=one.module,
                event=COMPLETION,
                learner=learner,
                object=str(one.module),
                state=str(one.state),
                at=one.at,
                course=course,
                row=log_row(
                    COMPLETION,
                    table="course_modules_completion",
                    object_id=None,
                    level=moodle.CONTEXT_MODULE,
                    instance=one.module,
                    learner=learner,
                    at=one.at,
                    course=course,
                    other={"completionstate": one.state, "overrideby": one.override_by, "relateduserid": learner},
                ),
            )


def course_completed(course: int, learner: int, at: int) -> Found:
    """That a learner has completed a course."""
    return Found(
        id=course,
        event=COMPLETED,
        learner=learner,
        object=str(course),
        state="",
        at=at,
        course=course,
        row=log_row(
            COMPLETED,
            table="course_completions",
            object_id=None,
            level=COURSE_LEVEL,
            instance=course,
            learner=learner,
            at=at,
            course=course,
        ),
    )


def grades(course: int, learner: int, graded: Iterable[shapes.Graded]) -> Iterator[Found]:
    """The grades of a learner; web services know them by their item."""
    for one in graded:
        if one.sort in _PAID_SORTS and one.grade is not None and one.at > 0:
            final = moodle.canonical_decimal(one.grade)
            yield Found(
                id=one.item,
                event=GRADED,
                learner=learner,
                object=f"item {one.item}",
                state=final,
                at=one.at,
                course=course,
                row=log_row(
                    GRADED,
                    table="grade_grades",
                    object_id=None,
                    level=COURSE_LEVEL,
                    instance=course,
                    learner=learner,
                    at=one.at,
                    course=course,
                    other={"itemid": one.item, "finalgrade": final, "overridden": bool(one.overridden)},
                ),
            )


def rating(
    course: int, forum: shapes.Forum, post: shapes.Post, one: shapes.Rating, words: Sequence[str]
) -> Found | None:
    """What somebody gave a post, in ``words`` of the forum's scale; None where nobody is known as its author."""
    if post.author is None:
        return None
    return Found(
        id=one.id,
        event=RATED,
        learner=post.author,
        object=f"{post.id} by {one.rater}",
        state=one.rating,
        facts=of_text(one.rating, words),
        at=one.at,
        course=course,
        row=log_row(
            RATED,
            table="forum_posts",
            object_id=post.id,
            level=moodle.CONTEXT_MODULE,
            instance=forum.lesson,
            learner=post.author,
            at=one.at,
            course=course,
            user=one.rater,
        ),
    )


def lesson_of(one: Found, graded: Iterable[shapes.Graded]) -> int | None:
    """The activity that a fact stands in; None for those of the course itself."""
    if one.event == GRADED:
        return next((each.lesson for each in graded if each.item == one.id), None)
    return int(one.row[5]) if one.row[4] == moodle.CONTEXT_MODULE else None
