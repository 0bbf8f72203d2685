"""Forum posts: a discussion counts as its first post; lengths as Moodle counted them; what ratings say. No texts."""

from __future__ import annotations

from agent.collectors import rating
from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of
from agent.collectors.numbers import exact
from agent.collectors.systems.moodle import DISCUSSIONS, RATED, REPLIES

_SCALES = "SELECT id, scale FROM {scale} WHERE id IN ([ids])"
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


def ratings(batch: Batch) -> LookUp:
    """What each rating says, by the points or the scale that it was given in; a scale's number is kept below zero."""
    rated = [draft for draft in batch.drafts if draft.event == RATED]
    if not rated or not batch.wants(*rating.FACTS):
        return
    given = [(draft, exact(draft.other.get("rating")), exact(draft.other.get("scaleid"))) for draft in rated]
    scales = sorted({-scale for _, _, scale in given if isinstance(scale, int) and scale < 0})
    answers = yield [batch.schema.query(_SCALES, ids=scales)] if scales else []
    words = {row[0]: rating.words_of(str(row[1])) for answer in answers for row in rows_of(answer)}
    for draft, value, scale in given:
        if not isinstance(value, int) or not isinstance(scale, int):
            continue
        found = rating.of_points(value, scale) if scale >= 0 else rating.of_word(value, words.get(-scale, ()))
        draft.facts |= {name: fact for name, fact in found.items() if name in batch.facts}
