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

_NEXT = "SELECT id, userid, relateduserid FROM {log} WHERE eventname = ? AND id IN ([ids])"


async def mark_cleared(reader: Reader, drafts: Iterable[Draft], *, step: int) -> None:
    """Mark deleted grades, and completions of whose learner the next rows delete a grade; ``step`` is from id to id."""
    fallen = []
    for draft in drafts:
        if draft.event == GRADE_DELETED:
            draft.marks.add("cleared")
        elif draft.kind == "lesson.uncompleted" and draft.learner is not None:
            fallen.append(draft)
    if not fallen:
        return
    ids = sorted({one for draft in fallen for one in _after(draft, step)})
    rows = await reader.ask(reader.database.schema.query(_NEXT, GRADE_DELETED, ids=ids))
    went = {(position, user, learner) for position, user, learner in rows}
    for draft in fallen:
        if any((one, draft.user, draft.learner) in went for one in _after(draft, step)):
            draft.marks.add("cleared")


def _after(draft: Draft, step: int) -> range:
    """The ids right behind a row."""
    return range(draft.position + step, draft.position + step * NEAR + 1, step)
