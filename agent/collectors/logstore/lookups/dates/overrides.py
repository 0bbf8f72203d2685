"""Whose due date is another one: extensions, overrides for a person, overrides for a group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.collectors.logstore.dialects.database import Answer, Query, Row, Schema, Unreadable
from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.lookups.base import note_due, rows_of

_EXTENSIONS = (
    "SELECT assignment, userid, extensionduedate FROM {assign_user_flags} "
    "WHERE extensionduedate > 0 AND assignment IN ([ids]) AND userid IN ([users])"
)
_ASSIGN_PERSON = (
    "SELECT assignid, userid, duedate FROM {assign_overrides} WHERE assignid IN ([ids]) AND userid IN ([users])"
)
_ASSIGN_GROUP = (
    "SELECT o.assignid, m.userid, o.duedate, o.sortorder, o.id FROM {assign_overrides} o "
    "JOIN {groups_members} m ON m.groupid = o.groupid WHERE o.assignid IN ([ids]) AND m.userid IN ([users])"
)
_QUIZ_PERSON = "SELECT quiz, userid, timeclose FROM {quiz_overrides} WHERE quiz IN ([ids]) AND userid IN ([users])"
_QUIZ_GROUP = (
    "SELECT o.quiz, m.userid, o.timeclose FROM {quiz_overrides} o "
    "JOIN {groups_members} m ON m.groupid = o.groupid WHERE o.quiz IN ([ids]) AND m.userid IN ([users])"
)
_Key = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDates:
    """When activities of one sort are due, and for whom at another time: seconds since 1970, 0 for never.

    ``own`` are the dates of ``of_one`` that stand whatever else there is. Of others nothing is certain where the
    account may not read overrides (``hidden``), and only that they are no earlier where it may not read extensions
    (``later``).
    """

    of_all: Mapping[int, int]
    of_one: Mapping[_Key, int]
    own: Collection[_Key]
    hidden: bool
    later: bool = False

    def due(self, instance: int, learner: int | None) -> int:
        """When it is due for this learner."""
        own = self.of_one.get((instance, learner)) if learner is not None else None
        return self.of_all.get(instance, 0) if own is None else own

    def note(self, draft: Draft, instance: int, facts: frozenset[str]) -> None:
        """Add what the learner's own date says.

        An override may be earlier than everybody's date, so without it there is nothing to say. An extension is later:
        who was in time without it was in time, and who was late may have had more time.
        """
        due = self.due(instance, draft.learner)
        certain = (instance, draft.learner) in self.own
        if certain or not (self.hidden or self.later):
            note_due(draft, due, facts)
        elif not self.hidden and draft.time <= due and "on_time" in facts:
            draft.facts["on_time"] = True


def assignment_questions(schema: Schema, ids: Iterable[int], users: Iterable[int]) -> list[Query]:
    """What `assignment_dates` wants answered of these assignments and learners."""
    parts = {"ids": list(ids), "users": list(users)}
    return [schema.query(sql, **parts) for sql in (_EXTENSIONS, _ASSIGN_PERSON, _ASSIGN_GROUP)]


def assignment_dates(of_all: Mapping[int, int], answers: Sequence[Answer]) -> DueDates:
    """As Moodle has it: an extension, else the override of the person, else that of the first group in its order.

    An override that leaves the date out (NULL) changes something else; the person's hides that of a group all the same.
    """
    extensions, persons, groups = answers
    found: dict[_Key, int | None] = {}
    for row in sorted(rows_of(groups), key=lambda row: (row[3] is None, row[3] or 0, row[4]), reverse=True):
        found[row[0], row[1]] = row[2]
    found.update({(row[0], row[1]): row[2] for row in rows_of(persons)})
    found.update({(row[0], row[1]): row[2] for row in rows_of(extensions)})
    extended = {(row[0], row[1]) for row in rows_of(extensions)}
    later = not _readable(extensions)
    own = extended if later else extended | {(row[0], row[1]) for row in rows_of(persons)}
    return DueDates(of_all=of_all, of_one=_given(found), own=own, hidden=not _readable(persons, groups), later=later)


def quiz_questions(schema: Schema, ids: Iterable[int], users: Iterable[int]) -> list[Query]:
    """What `quiz_dates` wants answered of these quizzes and learners."""
    parts = {"ids": list(ids), "users": list(users)}
    return [schema.query(sql, **parts) for sql in (_QUIZ_PERSON, _QUIZ_GROUP)]


def quiz_dates(of_all: Mapping[int, int], answers: Sequence[Answer]) -> DueDates:
    """As Moodle has it: the override of the person, else the kindest of the groups', where 0 never closes."""
    persons, groups = answers
    given: dict[_Key, int] = {}
    for row in rows_of(groups):
        if row[2] is not None:
            given[row[0], row[1]] = _kinder(given.get((row[0], row[1])), row)
    own = _given({(row[0], row[1]): row[2] for row in rows_of(persons)})
    return DueDates(of_all=of_all, of_one=given | own, own=own.keys(), hidden=not _readable(persons, groups))


def _kinder(before: int | None, row: Row) -> int:
    closes: int = row[2]
    if before is None:
        return closes
    return 0 if 0 in (before, closes) else max(before, closes)


def _given(dates: Mapping[_Key, int | None]) -> dict[_Key, int]:
    return {key: date for key, date in dates.items() if date is not None}


def _readable(*answers: Answer) -> bool:
    """Whether nothing is kept from us. A table that is not there holds nothing; Moodle before 3.2 has no such table."""
    return not any(isinstance(answer, Unreadable) and answer.denied for answer in answers)
