"""How long the learner has been enrolled."""

from __future__ import annotations

from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of

_FIRST = (
    "SELECT ue.userid, e.courseid, MIN(CASE WHEN ue.timestart > 0 THEN ue.timestart ELSE ue.timecreated END) "
    "FROM {user_enrolments} ue JOIN {enrol} e ON e.id = ue.enrolid "
    "WHERE ue.userid IN ([users]) AND e.courseid IN ([courses]) GROUP BY ue.userid, e.courseid"
)


def enrolments(batch: Batch) -> LookUp:
    """Add `since_enrolment` where the learner is enrolled in the event's course.

    An enrolment that began after the act is not that under which it was done: that one is gone, and with it its time.
    """
    mine = [draft for draft in batch.drafts if draft.course is not None and draft.learner is not None]
    if not mine or not batch.wants("since_enrolment"):
        return
    users = sorted({draft.learner for draft in mine if draft.learner is not None})
    ids = sorted({draft.course for draft in mine if draft.course is not None})
    (answer,) = yield [batch.schema.query(_FIRST, users=users, courses=ids)]
    begun = {(row[0], row[1]): row[2] for row in rows_of(answer)}
    for draft in mine:
        start = begun.get((draft.learner, draft.course))
        if start is not None and start <= draft.time:
            draft.facts["since_enrolment"] = draft.time - start
