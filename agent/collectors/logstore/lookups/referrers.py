"""Who referred a learner: a custom profile field names them by username, e-mail, idnumber or user id."""

from __future__ import annotations

from collections.abc import Sequence

from agent.collectors.logstore.dialects.database import Row
from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of
from agent.collectors.systems.moodle import GUEST

ROUNDS = 2
"""Rounds until the role is known; who looks at everybody's account waits for them."""

_TEXT_MAX = 255
_ID_DIGITS_MAX = 18
_NAMED = (
    "SELECT d.userid, d.data FROM {user_info_data} d JOIN {user_info_field} f ON f.id = d.fieldid "
    "WHERE f.shortname = ? AND d.userid IN ([ids])"
)
_USERS = (
    "SELECT id, username, email, idnumber FROM {user} WHERE deleted = 0 AND ("
    "username IN ([marks]) OR email IN ([marks]) OR idnumber IN ([marks]) OR id IN ([ids]))"
)


def referrers(batch: Batch) -> LookUp:
    """Add the role `referrer` to each draft whose learner names one; where it could be several there is none."""
    mine = [draft for draft in batch.drafts if draft.learner is not None and draft.learner > GUEST]
    if not batch.referrer or not mine:
        return
    learners = sorted({draft.learner for draft in mine if draft.learner is not None})
    (answer,) = yield [batch.schema.query(_NAMED, batch.referrer, ids=learners)]
    named = {row[0]: text for row in rows_of(answer) if 0 < len(text := str(row[1] or "").strip()) <= _TEXT_MAX}
    # A server that minds case knows usernames in small letters, and e-mails as somebody typed them.
    texts = sorted({form for text in named.values() for form in (text, text.lower())})
    ids = sorted({int(text) for text in named.values() if _is_id(text)})
    marks = ",".join("?" * len(texts))
    queries = [batch.schema.query(_USERS, *texts, *texts, *texts, marks=marks, ids=ids)] if texts else []
    answers = yield queries
    users = rows_of(answers[0]) if answers else []
    found = {learner: _who(text, users) for learner, text in named.items()}
    for draft in mine:
        who = found.get(draft.learner) if draft.learner is not None else None
        if who is not None:
            draft.people["referrer"] = str(who)


def _who(text: str, users: Sequence[Row]) -> int | None:
    """The one account of that username, else of that e-mail, idnumber or number."""
    small = text.lower()
    for fits in (
        [row[0] for row in users if str(row[1]).lower() == small],
        [row[0] for row in users if str(row[2]).lower() == small],
        [row[0] for row in users if row[3] == text],
        [row[0] for row in users if _is_id(text) and row[0] == int(text)],
    ):
        if fits:
            return int(fits[0]) if len(fits) == 1 else None
    return None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS_MAX
