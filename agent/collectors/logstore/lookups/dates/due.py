"""Due dates of assignments and of completions: late or early by how much. Quizzes see to their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.collectors.logstore.dialects.database import Row, Unreadable
from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.lookups.base import Batch, LookUp, note_due, rows_of
from agent.collectors.logstore.lookups.dates.overrides import (
    DueDates,
    assignment_dates,
    assignment_questions,
    quiz_dates,
    quiz_questions,
)
from agent.collectors.systems.moodle import COMPLETION

_SUBMISSIONS = "SELECT id, assignment, attemptnumber FROM {assign_submission} WHERE id IN ([ids])"
_ASSIGNMENTS = "SELECT id, duedate FROM {assign} WHERE id IN ([ids])"
_CLOSING = "SELECT id, timeclose FROM {quiz} WHERE id IN ([ids])"


def due_dates(batch: Batch) -> LookUp:
    """Add attempt, `late_by` and `on_time` of submissions, and lateness of completions by their activity's due date."""
    submitted = batch.of_table("assign_submission")
    completed = [draft for draft in batch.drafts if draft.event == COMPLETION]
    dated = batch.wants("late_by", "on_time")
    if not (submitted and (dated or batch.wants("attempt"))) and not (completed and dated):
        return
    ids = sorted({draft.object_id for draft in submitted})
    answers = yield [batch.schema.query(_SUBMISSIONS, ids=ids)] if submitted else []
    assignment_of = _submitted(batch, submitted, {row[0]: row for answer in answers for row in rows_of(answer)})
    if not dated:
        return
    for draft in completed:
        if draft.module == "assign" and draft.instance is not None:
            assignment_of[draft.position] = draft.instance
    ids = sorted(set(assignment_of.values()))
    users = sorted({d.learner for d in (*submitted, *completed) if d.learner is not None})
    closing = sorted({d.instance for d in completed if d.module == "quiz" and d.instance is not None})
    dates, closes, *others = yield [
        batch.schema.query(_ASSIGNMENTS, ids=ids),
        batch.schema.query(_CLOSING, ids=closing),
        *assignment_questions(batch.schema, ids, users),
        *(quiz_questions(batch.schema, closing, users) if closing else ()),
    ]
    assigned = assignment_dates({row[0]: row[1] for row in rows_of(dates)}, others[:3])
    for draft in (*submitted, *completed):
        if draft.position in assignment_of:
            assigned.note(draft, assignment_of[draft.position], batch.facts)
    of_quizzes = quiz_dates({row[0]: row[1] for row in rows_of(closes)}, others[3:] or [[], []])
    hidden = isinstance(closes, Unreadable)
    for draft in completed:
        if draft.position not in assignment_of and draft.module is not None and not (hidden and draft.module == "quiz"):
            _expected(draft, of_quizzes, batch.facts)


def _submitted(batch: Batch, drafts: Iterable[Draft], rows: Mapping[int, Row]) -> dict[int, int]:
    """Position → assignment of each submission, the attempt noted on the way."""
    assignment_of: dict[int, int] = {}
    for draft in drafts:
        row = rows.get(draft.object_id or 0)
        if row is not None:
            assignment_of[draft.position] = row[1]
            if "attempt" in batch.facts:
                draft.facts["attempt"] = row[2] + 1
    return assignment_of


def _expected(draft: Draft, quizzes: DueDates, facts: frozenset[str]) -> None:
    """A completion was due at the quiz's end, else at the date its teacher expects it by."""
    if draft.module == "quiz" and draft.instance is not None and quizzes.due(draft.instance, draft.learner):
        quizzes.note(draft, draft.instance, facts)
    else:
        note_due(draft, draft.expected, facts)
