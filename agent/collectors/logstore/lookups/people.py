"""The people of an event: who never earns, and the cohorts and roles that audiences look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from agent.collectors.cohorts import called
from agent.collectors.logstore.dialects.database import Answer, Query, Row, Schema, Unreadable
from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of
from agent.collectors.logstore.lookups.profiles import ROUNDS, roles_asked
from agent.collectors.systems.moodle import GUEST, NOBODY, RATED, SYSTEM, TAGGED, mark_of_id
from agent.model import Identifier, PersonMark

STAFF_ARCHETYPES = frozenset({"manager", "editingteacher", "teacher"})

_GIVEN = frozenset({TAGGED, RATED})
"""What somebody gave to a learner's post: whether they are staff is asked."""

_DELETED = "SELECT id, timemodified FROM {user} WHERE deleted = 1 AND id IN ([ids])"
_COHORTS = (
    "SELECT m.userid, c.idnumber, c.name FROM {cohort_members} m JOIN {cohort} c ON c.id = m.cohortid "
    "WHERE m.userid IN ([ids]) ORDER BY c.id"
)
_NUMBERS = "SELECT idnumber FROM {cohort} WHERE idnumber IN ([marks])"
_STAFF = (
    "SELECT ra.userid, ra.contextid, r.shortname, r.archetype FROM {role_assignments} ra "
    "JOIN {role} r ON r.id = ra.roleid WHERE r.archetype IN ('manager', 'editingteacher', 'teacher') "
    "AND ra.userid IN ([ids])"
)
_ROLES = (
    "SELECT ra.userid, ra.contextid, r.shortname, r.archetype FROM {role_assignments} ra "
    "JOIN {role} r ON r.id = ra.roleid WHERE ra.userid IN ([ids])"
)
_IDENTITIES = "SELECT id, idnumber, email, username FROM {user} WHERE deleted = 0 AND id IN ([ids])"
_SAID = ("idnumber", "email", "username")
_ALIKE = "SELECT idnumber, email FROM {user} WHERE deleted = 0 AND (idnumber IN ([marks]) OR email IN ([marks]))"
_SHARED = ("idnumber", "email")
_CONTEXTS = (
    "SELECT contextlevel, instanceid, path FROM {context} "
    "WHERE contextlevel = 50 AND instanceid IN ([ids]) OR contextlevel = 10"
)
_SITE, _COURSE = 10, 50
"""Context levels of Moodle."""


def people(batch: Batch) -> LookUp:
    """Mark each person of each draft; add `cohorts:<id>` and `roles:<id>` where they are wanted."""
    yield from roles_named(batch)
    ids = sorted({int(one) for draft in batch.drafts for one in draft.people.values()} - {GUEST, NOBODY, SYSTEM})
    courses = sorted({draft.course for draft in batch.drafts if draft.course is not None})
    with_roles, with_cohorts = batch.wants("staff", "roles", "by_staff"), batch.wants("cohorts")
    answers = yield [
        batch.schema.query(_DELETED, ids=ids),
        *([batch.schema.query(_COHORTS, ids=ids), numbers_query(batch, batch.cohorts)] if with_cohorts else []),
        *(_role_queries(batch.schema, ids, courses, all_roles=batch.wants("roles")) if with_roles else []),
    ]
    deleted = {row[0]: row[1] for row in rows_of(answers[0])}
    if with_cohorts:
        _cohorts(batch, answers[1], numbers_in(answers[2]))
    roles = Roles(answers[-2:]) if with_roles else None
    _mark(batch, deleted, roles if "staff" in batch.facts else None)
    if roles is not None and roles.readable and "by_staff" in batch.facts:
        for draft in batch.drafts:
            if draft.event in _GIVEN:
                draft.facts["by_staff"] = roles.is_staff(draft.user, draft.course)
    if roles is not None and roles.readable and "roles" in batch.facts:
        for draft in batch.drafts:
            for person in set(draft.people.values()):
                draft.facts[f"roles:{person}"] = roles.at(int(person), draft.course)


def identities(batch: Batch) -> LookUp:
    """Add what tells each person from others in every system; what several accounts have is told as shared."""
    if not batch.link_by:
        return
    yield from roles_named(batch)
    ids = sorted({int(one) for draft in batch.drafts for one in draft.people.values()} - {GUEST, NOBODY, SYSTEM})
    (answer,) = yield [batch.schema.query(_IDENTITIES, ids=ids)] if ids else []
    said = {str(row[0]): dict(zip(_SAID, map(str, row[1:]), strict=True)) for row in rows_of(answer)}
    texts = sorted({form for one in said.values() for by in _SHARED for form in (one[by], one[by].lower()) if form})
    marks = ",".join("?" * len(texts))
    answers = yield [batch.schema.query(_ALIKE, *texts, *texts, marks=marks)] if texts else []
    counts = (
        Counter((by, text.lower()) for row in rows_of(answers[0]) for by, text in zip(_SHARED, row, strict=True))
        if answers
        else Counter()
    )
    found = {
        person: tuple(
            Identifier(by=by, value=one[by], shared=counts[by, one[by].lower()] > 1) for by in batch.link_by if one[by]
        )
        for person, one in said.items()
    }
    for draft in batch.drafts:
        draft.identifiers = {person: found[person] for person in draft.people.values() if person in found}


def roles_named(batch: Batch) -> LookUp:
    """Wait until it is known whom profiles name, where that is asked."""
    for _ in range(ROUNDS if roles_asked(batch) else 0):
        yield []


def _role_queries(schema: Schema, ids: list[int], courses: list[int], *, all_roles: bool) -> list[Query]:
    return [
        schema.query(_ROLES if all_roles else _STAFF, ids=ids),
        schema.query(_CONTEXTS, ids=courses),
    ]


class Roles:
    """The role assignments of a page's people, and the contexts above each of its courses."""

    def __init__(self, answers: list[Answer]) -> None:
        self.readable = not any(isinstance(answer, Unreadable) for answer in answers)
        assigned, contexts = (rows_of(answer) for answer in answers)
        self._held: dict[int, list[Row]] = {}
        for row in assigned:
            self._held.setdefault(row[0], []).append(row)
        self._site = frozenset(one for level, _, path in contexts if level == _SITE for one in _contexts(path))
        self._above: Mapping[int, frozenset[int]] = {
            course: _contexts(path) for level, course, path in contexts if level == _COURSE
        }

    def at(self, user: int, course: int | None) -> tuple[str, ...]:
        """Short names and archetypes of the roles that count in ``course``; without one only site-level ones."""
        held = self._held.get(user)
        if not held:
            return ()
        above = self._site if course is None else self._above.get(course, self._site)
        return tuple(dict.fromkeys(text for row in held if row[1] in above for text in (row[2], row[3]) if text))

    def is_staff(self, user: int, course: int | None) -> bool:
        """Whether one of those roles is a teacher's or a manager's."""
        return user in self._held and not STAFF_ARCHETYPES.isdisjoint(self._archetypes(user, course))

    def _archetypes(self, user: int, course: int | None) -> frozenset[str]:
        above = self._site if course is None else self._above.get(course, self._site)
        return frozenset(row[3] for row in self._held[user] if row[1] in above)


def _contexts(path: str | None) -> frozenset[int]:
    return frozenset(int(part) for part in (path or "").split("/") if part)


def numbers_query(batch: Batch, names: Sequence[str]) -> Query:
    """Which of the ``names`` that are asked for are idnumbers: in any order of the page, those mean what has them."""
    return batch.schema.query(_NUMBERS, *names, marks=",".join("?" * len(names)) or "NULL")


def numbers_in(answer: Answer) -> frozenset[str]:
    """The idnumbers that `numbers_query` found."""
    return frozenset(row[0] for row in rows_of(answer))


def _cohorts(batch: Batch, answer: Answer, numbers: frozenset[str]) -> None:
    if isinstance(answer, Unreadable):
        return
    named: dict[str, list[str]] = {}
    for user, idnumber, name in answer:
        named.setdefault(str(user), []).extend(called(idnumber, name, numbers))
    for draft in batch.drafts:
        for person in set(draft.people.values()):
            draft.facts[f"cohorts:{person}"] = tuple(dict.fromkeys(named.get(person, ())))


def _mark(batch: Batch, deleted: Mapping[int, int], roles: Roles | None) -> None:
    """At most one mark for each person of a draft, the first that applies.

    ``deleted`` says when the rows of deleted accounts were changed last: Moodle does that when it deletes them.
    """
    known: dict[tuple[str, int | None], PersonMark | None] = {}
    for draft in batch.drafts:
        for person in draft.people.values():
            key = (person, draft.course)
            if key not in known:
                known[key] = _mark_of(int(person), draft.course, batch.site_admins, deleted, roles)
            mark = known[key]
            if mark == "deleted" and 0 < deleted[int(person)] < draft.time:
                mark = "deleted_before"
            if mark is not None:
                draft.person_marks[person] = mark


def _mark_of(
    user: int, course: int | None, site_admins: frozenset[int], deleted: Mapping[int, int], roles: Roles | None
) -> PersonMark | None:
    mark = mark_of_id(user, site_admins)
    if mark is None and roles is not None and roles.readable and roles.is_staff(user, course):
        mark = "staff"
    if mark is None and roles is not None and not roles.readable:
        mark = "roles_unknown"
    if mark is None and user in deleted:
        mark = "deleted"
    return mark
