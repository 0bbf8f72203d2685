"""Forum posts: a discussion counts as its first post; lengths as Moodle counted them. Texts are never read."""

from __future__ import annotations

from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of
from agent.collectors.systems.moodle import DISCUSSIONS, REPLIES

_FIRST_POSTS = {
    "forum": "SELECT id, firstpost FROM {forum_discussions} WHERE id IN ([ids])",
    "hsuforum": "SELECT id, firstpost FROM {hsuforum_discussions} WHERE id IN ([ids])",
}
_LENGTHS = "SELECT id, wordcount, charcount FROM {forum_posts} WHERE id IN ([ids])"
_WITH_LENGTHS = "forum_"


def forums(batch: Batch) -> LookUp:
    """Name the post of every new discussion; word and character counts of new posts where they are wanted."""
    begun = [draft for draft in batch.drafts if draft.event in DISCUSSIONS and draft.object_id is not None]
    posts = [draft for draft in batch.drafts if draft.event in REPLIES] + begun
    if not posts:
        return
    if begun:
        kinds = sorted({DISCUSSIONS[draft.event] for draft in begun})
        ids = {kind: sorted({d.object_id for d in begun if DISCUSSIONS[d.event] == kind}) for kind in kinds}
        answers = yield [batch.schema.query(_FIRST_POSTS[kind], ids=ids[kind]) for kind in kinds]
        first = {(kind, row[0]): row[1] for kind, answer in zip(kinds, answers, strict=True) for row in rows_of(answer)}
        for draft in begun:
            draft.post = first.get((DISCUSSIONS[draft.event], draft.object_id)) or None
    if not batch.wants("word_count", "char_count"):
        return
    counted = [d for d in posts if d.post is not None and (d.object_table or "").startswith(_WITH_LENGTHS)]
    (answer,) = yield [batch.schema.query(_LENGTHS, ids=sorted({d.post for d in counted if d.post is not None}))]
    lengths = {row[0]: row for row in rows_of(answer)}
    for draft in counted:
        _, words, characters = lengths.get(draft.post, (None, None, None))
        if words is not None and "word_count" in batch.facts:
            draft.facts["word_count"] = words
        if characters is not None and "char_count" in batch.facts:
            draft.facts["char_count"] = characters
