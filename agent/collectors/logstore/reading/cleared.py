"""What nobody undid: it went with its activity, its course or its learner's enrolment.

When an activity is deleted, or somebody is unenrolled, Moodle deletes the grades one by one and tells each; an activity
that is complete by its grade falls to incomplete shortly before. When a forum is deleted, alone or with its course,
each post is told as deleted, and then that the forum, or the course, was. What was done was done all the same. A grade
that loses its value, since the attempt behind it was deleted, say, stays and is told as an empty one.

The log alone tells it, so that a backfill reads it as it was read live.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.reading.stretch import Reader
from agent.collectors.systems.moodle import COURSE_CLEARED, GRADE_DELETED, MODULE_DELETED, POSTS_DELETED

NEAR = 8
"""So many rows later the grade is told at most: others may write between, where each row is written by itself."""
SOON_S = 900
"""So much later it is told at most that the forum or the course went: one process deletes the posts and the rest."""

_NEXT = "SELECT id, userid, relateduserid, eventname FROM {log} WHERE id IN ([ids])"
_WENT = (
    "SELECT id, timecreated, eventname, userid, courseid, contextinstanceid FROM {log} WHERE courseid IN ([courses]) "
    "AND anonymous = 0 AND timecreated >= ? AND timecreated <= ? AND eventname IN (?, ?)"
)


async def mark_cleared(reader: Reader, drafts: Iterable[Draft], *, step: int) -> None:
    """Mark what was only cleared away among the drafts; ``step`` is from id to id."""
    fallen, posts = [], []
    for draft in drafts:
        if draft.event == GRADE_DELETED:
            draft.marks.add("cleared")
        elif draft.kind == "lesson.uncompleted" and draft.learner is not None:
            fallen.append(draft)
        elif draft.event in POSTS_DELETED:
            posts.append(draft)
    if fallen:
        await _mark_fallen(reader, fallen, step)
    if posts:
        await _mark_posts(reader, posts)


async def _mark_fallen(reader: Reader, fallen: Sequence[Draft], step: int) -> None:
    """Mark completions where the next that is told of the learner is that a grade was deleted."""
    ids = sorted({one for draft in fallen for one in _after(draft, step)})
    rows = {row[0]: row[1:] for row in await reader.ask(reader.database.schema.query(_NEXT, ids=ids))}
    for draft in fallen:
        next_rows = (rows[one] for one in _after(draft, step) if one in rows)
        told = (event for user, learner, event in next_rows if (user, learner) == (draft.user, draft.learner))
        if next(told, None) == GRADE_DELETED:
            draft.marks.add("cleared")


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


def _after(draft: Draft, step: int) -> range:
    """The ids right behind a row."""
    return range(draft.position + step, draft.position + step * NEAR + 1, step)
