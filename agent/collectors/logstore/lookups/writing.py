"""What learners wrote, as far as it may be known: digests and sketches under a key, lengths, who was answered, tags.

Texts are read only where a rule or a check asks for what is worked out from them, and only their beginning; they go no
further than this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.collectors.logstore.dialects.database import Answer, Query, Row
from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of
from agent.collectors.systems.moodle import ASSIGN_SUBMITTED, DISCUSSIONS, REPLIES
from agent.engine.fairness import texts

TEXT_MAX = 20_000
"""Characters of a text that are looked at."""

_TEXT = frozenset({"text_digest", "text_sketch"})
_LENGTHS = frozenset({"word_count", "char_count"})
_ESSAYS = (
    "SELECT submission, SUBSTR(onlinetext, 1, [most]) FROM {assignsubmission_onlinetext} WHERE submission IN ([ids])"
)
_FILES = "SELECT submission, numfiles FROM {assignsubmission_file} WHERE submission IN ([ids])"
_POSTS = {
    "forum": "SELECT p.id, SUBSTR(p.message, 1, [most]), q.userid FROM {forum_posts} p "
    "LEFT JOIN {forum_posts} q ON q.id = p.parent WHERE p.id IN ([ids])",
    "hsuforum": "SELECT p.id, SUBSTR(p.message, 1, [most]), q.userid FROM {hsuforum_posts} p "
    "LEFT JOIN {hsuforum_posts} q ON q.id = p.parent WHERE p.id IN ([ids])",
}
_TAGS = (
    "SELECT i.itemid, t.name FROM {tag_instance} i JOIN {tag} t ON t.id = i.tagid "
    "WHERE i.itemtype = ? AND i.itemid IN ([ids]) ORDER BY i.id"
)
_ANSWERED = REPLIES | frozenset(DISCUSSIONS)


def writing(batch: Batch) -> LookUp:
    """Essays in the first round; posts in the second, when `forums` has found the first post of each discussion."""
    essays = [d for d in batch.drafts if d.event == ASSIGN_SUBMITTED and d.object_id is not None]
    posted = [d for d in batch.drafts if d.event in _ANSWERED]
    asked = [*_of_essays(batch, essays)] if essays else []
    wanted = bool(posted) and (batch.wants("reply_to", "tags", *_TEXT) or _any_without_lengths(batch, posted))
    if not asked and not wanted:
        return
    answers = yield [query for _, query in asked]
    for (name, _), answer in zip(asked, answers, strict=True):
        _fill_essays(batch, essays, name, answer)
    if not wanted:
        return
    posts = _by_forum(posted)
    questions = list(_of_posts(batch, posts))
    if questions:
        answers = yield [query for _, _, query in questions]
        for (forum, name, _), answer in zip(questions, answers, strict=True):
            (_fill_tags if name == "tags" else _fill_posts)(batch, posts[forum], answer, lengths=forum == "hsuforum")


def _any_without_lengths(batch: Batch, posted: Iterable[Draft]) -> bool:
    """Whether words must be counted here: Open LMS's forum does not keep their number."""
    return batch.wants(*_LENGTHS) and any(_forum(draft) == "hsuforum" for draft in posted)


def _of_essays(batch: Batch, essays: Iterable[Draft]) -> Iterable[tuple[str, Query]]:
    ids = sorted({draft.object_id for draft in essays})
    if batch.wants("essay_words", *_TEXT):
        yield "text", batch.schema.query(_ESSAYS, ids=ids, most=str(TEXT_MAX))
    if batch.wants("files"):
        yield "files", batch.schema.query(_FILES, ids=ids)


def _fill_essays(batch: Batch, essays: Iterable[Draft], name: str, answer: Answer) -> None:
    known: Mapping[int, Row] = {row[0]: row for row in rows_of(answer)}
    for draft in essays:
        row = known.get(draft.object_id or 0)
        if row is not None and name == "files":
            draft.facts["files"] = row[1]
        elif row is not None:
            _of_text(batch, draft, row[1], lengths=False)
            if "essay_words" in batch.facts:
                draft.facts["essay_words"] = len(texts.words_of(row[1] or ""))


def _by_forum(posted: Iterable[Draft]) -> dict[str, list[Draft]]:
    found: dict[str, list[Draft]] = {}
    for draft in posted:
        if draft.post is not None:
            found.setdefault(_forum(draft), []).append(draft)
    return found


def _forum(draft: Draft) -> str:
    return "hsuforum" if (draft.object_table or "").startswith("hsuforum") else "forum"


def _of_posts(batch: Batch, posts: Mapping[str, list[Draft]]) -> Iterable[tuple[str, str, Query]]:
    for forum, drafts in posts.items():
        ids = sorted({draft.post for draft in drafts if draft.post is not None})
        here = _LENGTHS if forum == "hsuforum" else ()
        if batch.wants("reply_to", *_TEXT, *here):
            most = TEXT_MAX if batch.wants(*_TEXT, *here) else 0
            yield forum, "posts", batch.schema.query(_POSTS[forum], ids=ids, most=str(most))
        if batch.wants("tags"):
            yield forum, "tags", batch.schema.query(_TAGS, f"{forum}_posts", ids=ids)


def _fill_posts(batch: Batch, drafts: Iterable[Draft], answer: Answer, *, lengths: bool) -> None:
    known: Mapping[int, Row] = {row[0]: row for row in rows_of(answer)}
    for draft in drafts:
        row = known.get(draft.post or 0)
        if row is not None:
            _of_text(batch, draft, row[1], lengths=lengths)
            if row[2] is not None and "reply_to" in batch.facts:
                draft.facts["reply_to"] = str(row[2])


def _fill_tags(_batch: Batch, drafts: Iterable[Draft], answer: Answer, *, lengths: bool) -> None:  # noqa: ARG001 - as above
    if not isinstance(answer, list):
        return
    named: dict[int, list[str]] = {}
    for post, name in answer:
        named.setdefault(post, []).append(name)
    for draft in drafts:
        draft.facts["tags"] = tuple(dict.fromkeys(named.get(draft.post or 0, ())))


def _of_text(batch: Batch, draft: Draft, text: str | None, *, lengths: bool) -> None:
    """What is kept of a text: all that anybody can ask of it, and nothing of itself."""
    if batch.wants(*_TEXT) and text:
        found = texts.facts(text, batch.text_key)
        draft.facts |= {name: value for name, value in found.items() if name in batch.facts}
    if lengths and text is not None:
        if "word_count" in batch.facts:
            draft.facts["word_count"] = len(texts.words_of(text))
        if "char_count" in batch.facts:
            draft.facts["char_count"] = len("".join(texts.words_of(text)))
