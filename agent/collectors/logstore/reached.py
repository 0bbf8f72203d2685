"""Whom audiences reach in the LMS as it is now: courses, cohorts and people, counted read-only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.collectors.cohorts import called
from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Answer, Database, Query, Rows, Unreadable
from agent.collectors.logstore.lookups.base import rows_of
from agent.collectors.logstore.names import BY_NUMBER
from agent.collectors.logstore.options import LogstoreOptions
from agent.config.rulefile.tables.condition import Audience

_COURSES = "SELECT id, shortname, idnumber, category FROM {course} WHERE id <> 1"
_CATEGORIES = "SELECT id, name, path FROM {course_categories} ORDER BY id"
_COHORTS = "SELECT id, name, idnumber FROM {cohort}"
_ENROLLED = (
    "SELECT COUNT(DISTINCT ue.userid) FROM {user_enrolments} ue JOIN {enrol} e ON e.id = ue.enrolid "
    "JOIN {user} u ON u.id = ue.userid WHERE u.deleted = 0 AND e.courseid IN ([courses])"
)
_MEMBERS = (
    "SELECT COUNT(DISTINCT m.userid) FROM {cohort_members} m JOIN {user} u ON u.id = m.userid "
    "WHERE u.deleted = 0 AND m.cohortid IN ([cohorts])"
)
_BOTH = (
    "SELECT COUNT(DISTINCT ue.userid) FROM {user_enrolments} ue JOIN {enrol} e ON e.id = ue.enrolid "
    "JOIN {user} u ON u.id = ue.userid JOIN {cohort_members} m ON m.userid = ue.userid "
    "WHERE u.deleted = 0 AND e.courseid IN ([courses]) AND m.cohortid IN ([cohorts])"
)
_EVERYBODY = "SELECT COUNT(*) FROM {user} WHERE deleted = 0 AND id > 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many courses, cohorts and people an audience matches; ``rule`` is whose. None where that cannot be read.

    Without names of courses or cohorts all of them are matched, and ``cohorts`` is None. Roles are not looked at.
    """

    rule: str
    courses: int | None
    cohorts: int | None
    people: int | None


async def reached(options: LogstoreOptions, audiences: Iterable[tuple[str, Audience | None]]) -> list[Reach]:
    """The reach of each (whose, audience).

    Raises:
        ConfigError: the database refuses us.
        TransientError: it cannot be reached.
    """
    database = database_for(options)
    try:
        async with database.snapshot():
            answers = await database.fetch_all(
                [database.schema.query(sql) for sql in (_COURSES, _CATEGORIES, _COHORTS)]
            )
            campus = _Campus(answers)
            return [await campus.reach(database, *each) for each in audiences]
    finally:
        await database.close()


class _Campus:
    """Courses, categories and cohorts, and what their names mean."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._readable = [not isinstance(answer, Unreadable) for answer in answers]
        self._courses, categories, self._cohorts = (rows_of(answer) for answer in answers)
        self._paths = {row[0]: frozenset(int(part) for part in str(row[2]).split("/") if part) for row in categories}
        self._in_category = _named_categories(categories)

    async def reach(self, database: Database, rule: str, spec: Audience | None) -> Reach:
        """The courses and cohorts of an audience, and who is in both."""
        courses = self._chosen(spec.courses, spec.categories) if spec is not None else None
        cohorts = self._members(spec.cohorts) if spec is not None and spec.cohorts is not None else None
        (answer,) = await database.fetch_all([_people(database, courses, cohorts)])
        return Reach(
            rule=rule,
            courses=len(self._courses if courses is None else courses) if self._readable[0] else None,
            cohorts=None if cohorts is None or not self._readable[2] else len(cohorts),
            people=None if isinstance(answer, Unreadable) else int(answer[0][0]),
        )

    def _chosen(self, names: Sequence[str] | None, categories: Sequence[str] | None) -> list[int] | None:
        if names is None and categories is None:
            return None
        wanted = frozenset(names or ())
        inside = {number for name in categories or () for number in self._in_category.get(name, ())}
        return [
            row[0]
            for row in self._courses
            if (names is None or not wanted.isdisjoint({row[1], f"{BY_NUMBER}{row[2]}", f"id:{row[0]}"}))
            and (categories is None or not inside.isdisjoint(self._paths.get(row[3], ())))
        ]

    def _members(self, names: Sequence[str]) -> list[int]:
        numbers = frozenset(row[2] for row in self._cohorts)
        return [row[0] for row in self._cohorts if not frozenset(called(row[2], row[1], numbers)).isdisjoint(names)]


def _named_categories(rows: Rows) -> dict[str, list[int]]:
    """Name and path of each category → its ids."""
    names = {row[0]: str(row[1]) for row in rows}
    found: dict[str, list[int]] = {}
    for row in rows:
        path = " / ".join(names.get(int(part), "?") for part in str(row[2]).split("/") if part)
        for name in {names[row[0]], path}:
            found.setdefault(name, []).append(row[0])
    return found


def _people(database: Database, courses: list[int] | None, cohorts: list[int] | None) -> Query:
    if courses is None:
        return (
            database.schema.query(_EVERYBODY) if cohorts is None else database.schema.query(_MEMBERS, cohorts=cohorts)
        )
    if cohorts is None:
        return database.schema.query(_ENROLLED, courses=courses)
    return database.schema.query(_BOTH, courses=courses, cohorts=cohorts)
