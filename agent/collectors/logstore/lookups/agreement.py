"""Who has agreed to take part, as the LMS knows it: being in a cohort since some time, or a custom profile field."""

from __future__ import annotations

from agent.collectors.cohorts import called
from agent.collectors.logstore.dialects.database import Answer, Unreadable
from agent.collectors.logstore.lookups.base import Batch, LookUp
from agent.collectors.logstore.lookups.people import numbers_in, numbers_query, roles_named
from agent.collectors.logstore.options import Asked
from agent.collectors.numbers import whole_number
from agent.collectors.systems.base import TIME_MAX
from agent.collectors.systems.moodle import GUEST, NOBODY, SYSTEM

YES = frozenset({"1", "yes", "y", "true", "on"})
"""What a profile field says where it says yes; a checkbox that is ticked says 1."""
_DATE_MIN = 86_400
"""A date field holds seconds since 1970."""

_MEMBERS = (
    "SELECT m.userid, m.timeadded, c.idnumber, c.name FROM {cohort_members} m JOIN {cohort} c ON c.id = m.cohortid "
    "WHERE (c.idnumber IN ([marks]) OR c.name IN ([marks])) AND m.userid IN ([ids])"
)
_SAID = (
    "SELECT d.userid, d.data FROM {user_info_data} d JOIN {user_info_field} f ON f.id = d.fieldid "
    "WHERE f.shortname IN ([marks]) AND d.userid IN ([ids])"
)


def agreement(batch: Batch) -> LookUp:
    """Say of each person of each draft since when they agreed, or that they did not; nothing where that is not read."""
    asked = batch.asked
    if asked is None:
        return
    yield from roles_named(batch)
    ids = sorted({int(one) for draft in batch.drafts for one in draft.people.values()} - {GUEST, NOBODY, SYSTEM})
    if not ids:
        return
    queries = []
    if asked.cohorts:
        marks = ",".join("?" * len(asked.cohorts))
        queries.append(batch.schema.query(_MEMBERS, *asked.cohorts, *asked.cohorts, marks=marks, ids=ids))
        queries.append(numbers_query(batch, asked.cohorts))
    if asked.profile_field:
        queries.append(batch.schema.query(_SAID, asked.profile_field, marks="?", ids=ids))
    answers = yield queries
    since = _since(asked, answers)
    whole = not any(isinstance(answer, Unreadable) for answer in answers)
    for draft in batch.drafts:
        for person in set(draft.people.values()):
            number = int(person)
            if number in since:
                draft.agreed[person] = since[number]
            elif whole:
                draft.agreed[person] = None


def _since(asked: Asked, answers: list[Answer]) -> dict[int, int]:
    """User id → since when (seconds UTC; 0 where the LMS keeps no time) the earliest of their agreements stands."""
    found: dict[int, int] = {}
    left = list(answers)
    if asked.cohorts:
        members, numbers = left.pop(0), numbers_in(left.pop(0))
        for user, added, idnumber, name in () if isinstance(members, Unreadable) else members:
            if not frozenset(called(idnumber, name, numbers)).isdisjoint(asked.cohorts):
                found[user] = min(int(added or 0), found.get(user, int(added or 0)))
    for said in left:
        for user, text in () if isinstance(said, Unreadable) else said:
            at = agreed_since(str(text or ""))
            if at is not None:
                found[user] = min(at, found.get(user, at))
    return found


def agreed_since(text: str) -> int | None:
    """What a profile field says: 0 for yes, the time of a date field (seconds UTC), None for anything else."""
    word = text.strip().lower()
    if word in YES:
        return 0
    at = whole_number(word)
    return at if at is not None and _DATE_MIN <= at <= TIME_MAX else None
