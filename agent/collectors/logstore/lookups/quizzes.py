"""Quiz attempts: previews, scores, attempt numbers, closing times."""

from __future__ import annotations

from collections.abc import Iterable

from agent.collectors.logstore.dialects.database import Query, Row, Unreadable
from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.lookups.base import Batch, LookUp, per_cent, rows_of
from agent.collectors.logstore.lookups.dates.overrides import quiz_dates, quiz_questions
from agent.collectors.numbers import exact
from agent.collectors.systems.moodle import QUIZ_SUBMITTED

_ATTEMPTS = "SELECT id, quiz, preview, attempt, sumgrades FROM {quiz_attempts} WHERE id IN ([ids])"
_QUIZZES = "SELECT id, sumgrades, timeclose FROM {quiz} WHERE id IN ([ids])"


def quizzes(batch: Batch) -> LookUp:
    """Mark previews whatever is wanted, also that nobody can tell; score, attempt and lateness where they are."""
    mine = batch.of_table("quiz_attempts")
    if not mine:
        return
    (answer,) = yield [batch.schema.query(_ATTEMPTS, ids=sorted({draft.object_id for draft in mine}))]
    attempts = {row[0]: row for row in rows_of(answer)}
    if isinstance(answer, Unreadable):
        for draft in mine:
            draft.marks.add("preview_unknown")
    for draft in mine:
        _attempt(draft, attempts.get(draft.object_id), batch.facts)
    if not attempts or not batch.wants("score_pct", "late_by", "on_time"):
        return
    ids = sorted({row[1] for row in attempts.values()})
    answer, *others = yield [batch.schema.query(_QUIZZES, ids=ids), *_dated(batch, mine, ids)]
    known = {row[0]: (exact(row[1]), row[2]) for row in rows_of(answer)}
    dates = quiz_dates({quiz: closes for quiz, (_, closes) in known.items()}, others or [[], []])
    for draft in mine:
        row = attempts.get(draft.object_id)
        if row is not None and row[1] in known:
            most, got = known[row[1]][0], exact(row[4])
            if "score_pct" in batch.facts and got is not None and most:
                draft.facts["score_pct"] = per_cent(got, most)
            if draft.event == QUIZ_SUBMITTED:
                dates.note(draft, row[1], batch.facts)


def _dated(batch: Batch, drafts: Iterable[Draft], ids: Iterable[int]) -> list[Query]:
    """Whose quizzes close at another time, where somebody asks when they do."""
    if not batch.wants("late_by", "on_time"):
        return []
    return quiz_questions(batch.schema, ids, sorted({d.learner for d in drafts if d.learner is not None}))


def _attempt(draft: Draft, row: Row | None, facts: frozenset[str]) -> None:
    if row is not None:
        if row[2]:
            draft.marks.add("preview")
        if "attempt" in facts:
            draft.facts["attempt"] = row[3]
