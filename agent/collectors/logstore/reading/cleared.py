"""What nobody undid: grades that went with their activity, course or enrolment, and completions that fell with them.

When an activity is deleted, or somebody is unenrolled, Moodle deletes the grades one by one and tells each; an activity
that is complete by its grade falls to incomplete shortly before. What was done was done all the same. A grade that
loses its value, since the attempt behind it was deleted, say, stays and is told as an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.reading.stretch import Reader
from agent.collectors.systems.moodle import GRADE_DELETED

NEAR = 8
"""So many rows later the grade is told at most: others may write between, where each row is written by itself."""

_NEXT = "SELECT id, userid, relateduserid, eventname FROM {log} WHERE id IN ([ids])"


async def mark_cleared(reader: Reader, drafts: Iterable[Draft], *, step: int) -> None:
    """Mark deleted grades, and completions where the next that is told of the learner is that a grade was deleted.

    ``step`` is from id to id.
    """
    fallen = []
    for draft in drafts:
        if draft.event == GRADE_DELETED:
            draft.marks.add("cleared")
        elif draft.kind == "lesson.uncompleted" and draft.learner is not None:
            fallen.append(draft)
    if not fallen:
        return
    ids = sorted({one for draft in fallen for one in _after(draft, step)})
    rows = {row[0]: row[1:] for row in await reader.ask(reader.database.schema.query(_NEXT, ids=ids))}
    for draft in fallen:
        next_rows = (rows[one] for one in _after(draft, step) if one in rows)
        told = (event for user, learner, event in next_rows if (user, learner) == (draft.user, draft.learner))
        if next(told, None) == GRADE_DELETED:
            draft.marks.add("cleared")


def _after(draft: Draft, step: int) -> range:
    """The ids right behind a row."""
    return range(draft.position + step, draft.position + step * NEAR + 1, step)
