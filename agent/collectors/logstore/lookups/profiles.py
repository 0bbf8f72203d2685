"""What custom profile fields say of a learner: facts, and who referred or supervises them by some name of theirs."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from agent.collectors.logstore.dialects.database import Answer, Query, Row
from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of
from agent.collectors.systems.moodle import GUEST
from agent.model import FROM_PROFILE

ROUNDS = 2
"""Rounds until the roles are known; who looks at everybody's account waits for them."""

_TEXT_MAX = 255
_ID_DIGITS_MAX = 18
_SAID = (
    "SELECT d.userid, f.shortname, d.data FROM {user_info_data} d JOIN {user_info_field} f ON f.id = d.fieldid "
    "WHERE f.shortname IN ([marks]) AND d.userid IN ([ids])"
)
_USERS = (
    "SELECT id, username, email, idnumber FROM {user} WHERE deleted = 0 AND ("
    "username IN ([marks]) OR email IN ([marks]) OR idnumber IN ([marks]) OR id IN ([ids]))"
)


def roles_asked(batch: Batch) -> dict[str, str]:
    """Role → profile field, of those that are asked for."""
    return {role: batch.profile[role] for role in FROM_PROFILE if role in batch.profile}


def profiles(batch: Batch) -> LookUp:
    """Add facts of the learner, and the roles that a profile names; where it could be several there is none."""
    mine = [draft for draft in batch.drafts if draft.learner is not None and draft.learner > GUEST]
    if not batch.profile or not mine:
        return
    fields = sorted(set(batch.profile.values()))
    learners = sorted({draft.learner for draft in mine if draft.learner is not None})
    (answer,) = yield [batch.schema.query(_SAID, *fields, marks=",".join("?" * len(fields)), ids=learners)]
    said = {
        (row[0], row[1]): text for row in rows_of(answer) if 0 < len(text := str(row[2] or "").strip()) <= _TEXT_MAX
    }
    roles = roles_asked(batch)
    for name in batch.profile.keys() - roles.keys():
        for draft in mine:
            if (known := said.get((draft.learner, batch.profile[name]))) is not None:
                draft.facts[name] = known
    if not roles:
        return
    wanted = set(roles.values())
    users = yield from _named(batch, {text for (_, field), text in said.items() if field in wanted})
    _add_roles(batch, roles, {key: _who(text, users) for key, text in said.items() if key[1] in wanted})


def _named(batch: Batch, texts: set[str]) -> Generator[list[Query], list[Answer], Sequence[Row]]:
    """The accounts that these texts may name. A server that minds case knows usernames in small letters."""
    forms = sorted({form for text in texts for form in (text, text.lower())})
    ids = sorted({int(text) for text in texts if _is_id(text)})
    marks = ",".join("?" * len(forms))
    answers = yield [batch.schema.query(_USERS, *forms, *forms, *forms, marks=marks, ids=ids)] if forms else []
    return rows_of(answers[0]) if answers else []


def _add_roles(batch: Batch, roles: Mapping[str, str], found: Mapping[tuple[int, str], int | None]) -> None:
    for draft in batch.drafts:
        for role, field in roles.items():
            who = found.get((draft.learner, field)) if draft.learner is not None else None
            if who is not None:
                draft.people[role] = str(who)


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
