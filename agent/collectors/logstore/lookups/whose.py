"""Whose an act is where its row names no learner: the author of what was tagged, whoever's attempt was marked.

Asked before everything else about a page, so that all other look-ups know of whom they ask.
"""

from __future__ import annotations

from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of
from agent.collectors.numbers import exact
from agent.collectors.systems.moodle import QUIZ_QUESTION_MARKED, TAGGED

_OWNERS = {
    "forum_posts": "SELECT id, userid FROM {forum_posts} WHERE id IN ([ids])",
    "hsuforum_posts": "SELECT id, userid FROM {hsuforum_posts} WHERE id IN ([ids])",
    "quiz_attempts": "SELECT id, userid FROM {quiz_attempts} WHERE id IN ([ids])",
}


def whose(batch: Batch) -> LookUp:
    """Name the learner of tags of posts, who is their author too, and of marks; of what cannot be read nobody is."""
    tagged = [draft for draft in batch.drafts if draft.event == TAGGED and draft.kind == "forum.tagged"]
    marked = [draft for draft in batch.of_table("quiz_attempts") if draft.event == QUIZ_QUESTION_MARKED]
    if not tagged and not marked:
        return
    for draft in tagged:
        number = exact(draft.other.get("itemid"))
        draft.post = number if isinstance(number, int) else None
    things = [(draft, draft.detail, draft.post) for draft in tagged if draft.post is not None]
    things += [(draft, "quiz_attempts", draft.object_id) for draft in marked if draft.object_id is not None]
    ids: dict[str, set[int]] = {}
    for _, table, number in things:
        ids.setdefault(table, set()).add(number)
    answers = yield [batch.schema.query(_OWNERS[table], ids=sorted(ids[table])) for table in sorted(ids)]
    owners = {
        (table, row[0]): str(row[1])
        for table, answer in zip(sorted(ids), answers, strict=True)
        for row in rows_of(answer)
    }
    for draft, table, number in things:
        owner = owners.get((table, number))
        if owner is not None:
            draft.people |= {"subject": owner, "author": owner} if draft.event == TAGGED else {"subject": owner}
            draft.learner = int(owner)
