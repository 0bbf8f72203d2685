"""What web services tell about one learner in one course, written as the state tables would have it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from agent.collectors.moodlews import shapes
from agent.collectors.rating import of_text
from agent.collectors.states.found import Found, Told
from agent.collectors.systems import moodle
from agent.engine.sighting.untold import GRADED

_PAID_SORTS = frozenset({"mod", "course"})
"""Grade items that are grades of an activity or of the course; others are sums and notes of teachers."""


def completions(course: int, learner: int, statuses: Iterable[shapes.Status]) -> Iterator[Found]:
    """The activities that a learner has completed."""
    for one in statuses:
        if one.state in shapes.DONE and one.at > 0:
            yield Told(id=one.module, learner=learner, at=one.at, course=course).lesson(
                one.module, one.state, one.override_by
            )


def course_completed(course: int, learner: int, at: int) -> Found:
    """That a learner has completed a course."""
    return Told(id=course, learner=learner, at=at, course=course).completed()


def grades(course: int, learner: int, graded: Iterable[shapes.Graded]) -> Iterator[Found]:
    """The grades of a learner; web services know them by their item."""
    for one in graded:
        if one.sort in _PAID_SORTS and one.grade is not None and one.at > 0:
            final = moodle.canonical_decimal(one.grade)
            about = Told(id=one.item, learner=learner, at=one.at, course=course)
            yield about.graded(one.item, final, overridden=bool(one.overridden), name=f"item {one.item}")


def rating(
    course: int, forum: shapes.Forum, post: shapes.Post, one: shapes.Rating, words: Sequence[str]
) -> Found | None:
    """What somebody gave a post, in ``words`` of the forum's scale; None where nobody is known as its author."""
    if post.author is None:
        return None
    about = Told(id=one.id, learner=post.author, at=one.at, course=course)
    return about.rated(post.id, one.rater, one.rating, forum.lesson, facts=of_text(one.rating, words))


def lesson_of(one: Found, graded: Iterable[shapes.Graded]) -> int | None:
    """The activity that a fact stands in; None for those of the course itself."""
    if one.event == GRADED:
        return next((each.lesson for each in graded if each.item == one.id), None)
    return int(one.row[5]) if one.row[4] == moodle.CONTEXT_MODULE else None
