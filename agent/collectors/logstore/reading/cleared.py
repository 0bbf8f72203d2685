"""What nobody undid: grades that went with their activity, course or enrolment, and completions that fell with them.

When an activity is deleted, or somebody is unenrolled, Moodle deletes the grades one by one and tells each; an activity
that is complete by its grade falls to incomplete right before. What was done was done all the same. A grade that loses
its value, since the attempt behind it was deleted, say, stays and is told as an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.reading.stretch import Reader
from agent.collectors.systems.moodle import GRADE_DELETED

_NEXT = "SELECT id, eventname, userid, relateduserid FROM {log} WHERE id IN ([ids])"


async def mark_cleared(reader: Reader, drafts: Iterable[Draft], *, step: int) -> None:
    """Mark deleted grades, and completions of whose learner the next row deletes a grade; ``step`` is from id to id."""
    fallen = {}
    for draft in drafts:
        if draft.event == GRADE_DELETED:
            draft.marks.add("cleared")
        elif draft.kind == "lesson.uncompleted" and draft.learner is not None:
            fallen[draft.position + step] = draft
    if not fallen:
        return
    rows = await reader.ask(reader.database.schema.query(_NEXT, ids=sorted(fallen)))
    for position, event, user, related in rows:
        draft = fallen[position]
        if (event, user, related) == (GRADE_DELETED, draft.user, draft.learner):
            draft.marks.add("cleared")
