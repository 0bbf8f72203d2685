"""Whom audiences reach in the LMS as it is now: courses, cohorts and people, counted read-only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Answer, Database, Query, Rows, Unreadable
from agent.collectors.logstore.lookups.base import rows_of
from agent.collectors.logstore.names import (
    BY_NUMBER,
    Meanings,
    meaning_of_categories,
    meaning_of_cohorts,
    meaning_of_courses,
)
from agent.collectors.logstore.options import LogstoreOptions
from agent.config.rulefile import Placed, Rule
from agent.engine.filters import selectors
from agent.model import Selector

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
class Named:
    """A name in an audience, its place, and everything it means here: none is unknown, several are ambiguous."""

    rule: str
    by: str
    name: str
    where: str
    means: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many courses, cohorts and people the audience of a rule matches; None where that cannot be read.

    Without names of courses or cohorts all of them are matched, and ``cohorts`` is None. Roles are not looked at.
    """

    rule: str
    courses: int | None
    cohorts: int | None
    people: int | None


async def reached(options: LogstoreOptions, rules: Iterable[Placed[Rule]]) -> tuple[list[Reach], list[Named]]:
    """Each rule's reach, and every name that its audience gives.

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
            listed = [rule for rule in rules if rule.it.mode != "off"]
            reach = [await campus.reach(database, rule) for rule in listed]
        return reach, [campus.named(rule.it.id, one) for rule in listed for one in selectors(rule)]
    finally:
        await database.close()


class _Campus:
    """Courses, categories and cohorts, and what their names mean."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._readable = [not isinstance(answer, Unreadable) for answer in answers]
        self._courses, categories, self._cohorts = (rows_of(answer) for answer in answers)
        self._paths = {row[0]: frozenset(int(part) for part in str(row[2]).split("/") if part) for row in categories}
        self._means: dict[str, Meanings] = {
            "courses": meaning_of_courses(self._courses),
            "categories": meaning_of_categories(categories),
            "cohorts": meaning_of_cohorts(self._cohorts),
        }
        self._in_category = _named_categories(categories)

    def named(self, rule: str, one: Selector) -> Named:
        """What a name means; a course by its id means itself."""
        means = tuple(self._means[one.by].get(one.name, ()))
        if one.by == "courses" and one.name.startswith("id:"):
            means = tuple(f"{row[0]} ({row[1]})" for row in self._courses if f"id:{row[0]}" == one.name)
        return Named(rule=rule, by=one.by, name=one.name, where=one.where, means=means)

    async def reach(self, database: Database, rule: Placed[Rule]) -> Reach:
        """The courses and cohorts of an audience, and who is in both."""
        spec = rule.it.audience
        courses = self._chosen(spec.courses, spec.categories) if spec is not None else None
        cohorts = self._members(spec.cohorts) if spec is not None and spec.cohorts is not None else None
        (answer,) = await database.fetch_all([_people(database, courses, cohorts)])
        return Reach(
            rule=rule.it.id,
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
        return [row[0] for row in self._cohorts if row[1] in names or (row[2] and row[2] in names)]


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
