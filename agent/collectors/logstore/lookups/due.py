"""Due dates of assignments and of completions: late or early by how much. Quizzes see to their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.collectors.logstore.dialects.database import Row, Unreadable
from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.lookups.base import Batch, LookUp, note_due, rows_of
from agent.collectors.systems.moodle import COMPLETION

_SUBMISSIONS = "SELECT id, assignment, attemptnumber FROM {assign_submission} WHERE id IN ([ids])"
_ASSIGNMENTS = "SELECT id, duedate FROM {assign} WHERE id IN ([ids])"
_EXTENSIONS = (
    "SELECT assignment, userid, extensionduedate FROM {assign_user_flags} "
    "WHERE extensionduedate > 0 AND assignment IN ([ids]) AND userid IN ([users])"
)
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
    dates, extensions, closes = yield [
        batch.schema.query(_ASSIGNMENTS, ids=ids),
        batch.schema.query(_EXTENSIONS, ids=ids, users=users),
        batch.schema.query(_CLOSING, ids=closing),
    ]
    due = {row[0]: row[1] for row in rows_of(dates)}
    if isinstance(extensions, Unreadable):  # without them everybody with an extension would look late
        return
    extended = {(row[0], row[1]): row[2] for row in extensions}
    closing_of = {row[0]: row[1] for row in rows_of(closes)}
    _assigned((*submitted, *completed), assignment_of, due, extended, batch.facts)
    for draft in completed:
        if draft.position not in assignment_of and draft.module is not None:
            note_due(draft, _expected(draft, closing_of), batch.facts)


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


def _assigned(
    drafts: Iterable[Draft],
    assignment_of: Mapping[int, int],
    due: Mapping[int, int],
    extended: Mapping[tuple[int, int | None], int],
    facts: frozenset[str],
) -> None:
    """An extension stands for the due date of its learner."""
    for draft in drafts:
        assignment = assignment_of.get(draft.position)
        if assignment is not None:
            note_due(draft, extended.get((assignment, draft.learner)) or due.get(assignment, 0), facts)


def _expected(draft: Draft, closing_of: Mapping[int, int]) -> int:
    """When a completion was due: the quiz's end, else the date its teacher expects it by; 0 for none."""
    closes = closing_of.get(draft.instance, 0) if draft.module == "quiz" and draft.instance is not None else 0
    return closes or draft.expected
