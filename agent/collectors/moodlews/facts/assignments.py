"""What is handed in: which attempt it is, and how it stands to the due date."""

from __future__ import annotations

from agent.collectors.moodlews.facts.batch import Batch, Look, number_of
from agent.collectors.systems.moodle import ASSIGN_SUBMITTED

FEEDS = ("attempt", "late_by", "on_time")


async def assignments(batch: Batch) -> None:
    """Add attempt, `late_by` and `on_time` of submissions.

    Dates of one's own or of a group (overrides) are told by no function: who looks late without an extension may have
    had more time, so that nothing is said of it, and a condition on it is unknown.
    """
    for look in batch.looks:
        if look.seen.lms_event != ASSIGN_SUBMITTED or not batch.wants(*FEEDS):
            continue
        if look.instance is None or look.learner is None or look.course is None:
            continue
        handed = await batch.answers.handed_in(look.instance, look.learner)
        attempt = None if handed is None else handed.attempts.get(number_of(look.seen.object_id) or 0)
        if handed is not None and attempt is None:
            batch.owe(look)  # posted from a transaction that is not over yet
        if attempt is not None and batch.wants("attempt"):
            look.facts["attempt"] = attempt + 1
        if batch.wants("late_by", "on_time"):
            due = (await batch.answers.assignments(look.course) or {}).get(look.instance, 0)
            _note(batch, look, due, 0 if handed is None else handed.extended)


def _note(batch: Batch, look: Look, due: int, extended: int) -> None:
    due = extended or due
    late_by = look.seen.occurred_at - due
    if due <= 0 or (late_by > 0 and not extended):
        return
    if batch.wants("late_by"):
        look.facts["late_by"] = late_by
    if batch.wants("on_time"):
        look.facts["on_time"] = late_by <= 0
