"""Quiz attempts: previews, scores, attempt numbers, closing times."""

from __future__ import annotations

from agent.collectors.moodlews.answers import ATTEMPTS, CONTENTS
from agent.collectors.moodlews.facts.batch import QUIZ_EVENTS, Batch, Look, number_of, per_cent
from agent.collectors.moodlews.shapes import Attempt
from agent.collectors.numbers import exact
from agent.collectors.systems.moodle import QUIZ_SUBMITTED

_OVER = frozenset({"finished", "abandoned"})


async def quizzes(batch: Batch) -> None:
    """Mark previews whatever is wanted; score, attempt, and that it was in time.

    No function tells overrides: of who looks late and may have had more time, nothing is said.
    """
    for look in batch.looks:
        if look.seen.lms_event not in QUIZ_EVENTS or look.learner is None:
            continue
        known = look.instance is not None
        attempts = await batch.answers.attempts(look.instance, look.learner) if look.instance is not None else None
        if attempts is None:
            if not batch.answers.lost.isdisjoint(ATTEMPTS if known else {CONTENTS}):
                look.marks.add("preview_unknown")
            continue
        attempt = attempts.get(number_of(look.seen.object_id) or 0)
        if attempt is None or attempt.state not in _OVER:
            batch.owe(look)  # posted from a transaction that is not over yet
        if attempt is not None:
            await _note(batch, look, attempt)


async def _note(batch: Batch, look: Look, attempt: Attempt) -> None:
    if attempt.preview:
        look.marks.add("preview")
    if batch.wants("attempt"):
        look.facts["attempt"] = attempt.number
    if look.course is None or look.instance is None or not batch.wants("score_pct", "late_by", "on_time"):
        return
    quiz = (await batch.answers.quizzes(look.course) or {}).get(look.instance)
    if quiz is None:
        return
    most, got = exact(quiz.most), exact(attempt.marks)
    if batch.wants("score_pct") and attempt.state in _OVER and got is not None and most:
        look.facts["score_pct"] = per_cent(got, most)
    if look.seen.lms_event == QUIZ_SUBMITTED and look.seen.occurred_at <= quiz.closes:
        if batch.wants("late_by"):
            look.facts["late_by"] = look.seen.occurred_at - quiz.closes
        if batch.wants("on_time"):
            look.facts["on_time"] = True
