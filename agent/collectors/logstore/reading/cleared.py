"""What nobody undid: it went with its activity, its course or its learner's enrolment.

When an activity is deleted, or somebody is unenrolled, Moodle deletes the grades one by one and tells each; an activity
that is complete by its grade falls to incomplete shortly before. When a forum is deleted, alone or with its course,
each post is told as deleted, and then that the forum, or the course, was. What was done was done all the same. A grade
that loses its value, since the attempt behind it was deleted, say, stays and is told as an empty one.

What was done, undone and done again within one second is done: Moodle's times are whole seconds, so that the first and
the last row are one fact, and only the ids tell that the one between was overtaken. So is what was undone, done and
undone again.

The log alone tells it, so that a backfill reads it as it was read live.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.reading.stretch import Reader
from agent.collectors.systems.moodle import (
    COMPLETION,
    COURSE_CLEARED,
    GRADE_DELETED,
    MODULE_DELETED,
    OTHER_KEYS,
    POSTS_DELETED,
    decode_other,
    detail_of,
)
from agent.errors import InvalidInputError

NEAR = 8
"""So many rows later the grade is told at most: others may write between, where each row is written by itself.

So many before and after it are looked at for what is told of an act at the same second.
"""
SOON_S = 900
"""So much later it is told at most that the forum or the course went: one process deletes the posts and the rest."""

_NEAR = (
    "SELECT id, userid, relateduserid, eventname, contextinstanceid, timecreated, "
    "CASE WHEN eventname = ? THEN other END FROM {log} WHERE id IN ([ids])"
)
_WENT = (
    "SELECT id, timecreated, eventname, userid, courseid, contextinstanceid FROM {log} WHERE courseid IN ([courses]) "
    "AND anonymous = 0 AND timecreated >= ? AND timecreated <= ? AND eventname IN (?, ?)"
)


async def mark_cleared(reader: Reader, drafts: Sequence[Draft], *, step: int) -> None:
    """Mark what was only cleared away, or overtaken, among the drafts; ``step`` is from id to id."""
    fallen, posts = [], []
    for draft in drafts:
        if draft.event == GRADE_DELETED:
            draft.marks.add("cleared")
        elif draft.kind == "lesson.uncompleted" and draft.learner is not None:
            fallen.append(draft)
        elif draft.event in POSTS_DELETED:
            posts.append(draft)
    if fallen:
        near = await _near(reader, fallen, step)
        _mark_fallen(fallen, near, step)
        _mark_overtaken([draft for draft in drafts if draft.event == COMPLETION], fallen, near)
    if posts:
        await _mark_posts(reader, posts)


class _Row(NamedTuple):
    """A row that stands near one that undoes."""

    position: int
    user: int
    learner: int | None
    event: str
    lesson: int
    time: int
    other: str | None


async def _near(reader: Reader, fallen: Sequence[Draft], step: int) -> Mapping[int, _Row]:
    """The rows around these, by id."""
    ids = sorted({one for draft in fallen for one in (*_before(draft, step), *_after(draft, step))})
    rows = await reader.ask(reader.database.schema.query(_NEAR, COMPLETION, ids=ids))
    return {row[0]: _Row(*row) for row in rows}


def _mark_fallen(fallen: Sequence[Draft], near: Mapping[int, _Row], step: int) -> None:
    """Mark completions where the next that is told of the learner is that a grade was deleted."""
    for draft in fallen:
        next_rows = (near[one] for one in _after(draft, step) if one in near)
        told = (row.event for row in next_rows if (row.user, row.learner) == (draft.user, draft.learner))
        if next(told, None) == GRADE_DELETED:
            draft.marks.add("cleared")


def _mark_overtaken(drafts: Sequence[Draft], fallen: Sequence[Draft], near: Mapping[int, _Row]) -> None:
    """Mark what lies between two equal rows of one second that tell otherwise, of one activity of one learner."""
    told: defaultdict[tuple[int | None, int | None, int], dict[int, bool | None]] = defaultdict(dict)
    for row in near.values():
        if row.event == COMPLETION:
            told[row.learner, row.lesson, row.time][row.position] = _is_done(row.other)
    for draft in drafts:
        told[draft.learner, draft.lesson, draft.time][draft.position] = _DONE.get(draft.detail)
    seconds = {(draft.learner, draft.lesson, draft.time) for draft in fallen}
    for draft in drafts:
        states = told[where] if (where := (draft.learner, draft.lesson, draft.time)) in seconds else {}
        if len(states) > 2:  # noqa: PLR2004 - two tell of two acts
            first, last = states[min(states)], states[max(states)]
            if first == last is not None and states[draft.position] is (not last):
                draft.marks.add("overtaken")


_DONE = {"0": False, "1": True, "2": True}
"""What a completion's state says."""


def _is_done(other: str | None) -> bool | None:
    """Whether a completion's row says that it was done; None where it says something else."""
    try:
        return _DONE.get(detail_of(COMPLETION, decode_other(other, OTHER_KEYS[COMPLETION])))
    except InvalidInputError:
        return None


async def _mark_posts(reader: Reader, posts: Sequence[Draft]) -> None:
    """Mark posts whose forum or course the same person deleted right after."""
    courses = sorted({draft.course for draft in posts if draft.course is not None})
    if not courses:
        return
    first, last = min(draft.time for draft in posts), max(draft.time for draft in posts)
    span = (first, last + SOON_S, MODULE_DELETED, COURSE_CLEARED)
    rows = await reader.ask(reader.database.schema.query(_WENT, *span, courses=courses))
    for draft in posts:
        if any(_went_with(draft, *row) for row in rows):
            draft.marks.add("cleared")


def _went_with(post: Draft, position: int, at: int, event: str, user: int, course: int, instance: int) -> bool:
    """Whether a row tells that the post's forum or course went right after it."""
    if position <= post.position or at > post.time + SOON_S or user != post.user:
        return False
    return course == post.course if event == COURSE_CLEARED else instance == post.lesson


def _before(draft: Draft, step: int) -> range:
    """The ids right before a row."""
    return range(max(draft.position - step * NEAR, 1), draft.position, step)


def _after(draft: Draft, step: int) -> range:
    """The ids right behind a row."""
    return range(draft.position + step, draft.position + step * NEAR + 1, step)
