"""What audiences name must mean one thing: a name that several courses, categories or cohorts share is a fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agent.collectors.logstore.dialects.database import Database, Query, Rows, Unreadable
from agent.collectors.numbers import whole_number
from agent.errors import ConfigError
from agent.model import Selector

_COURSES = (
    "SELECT id, shortname, idnumber FROM {course} "
    "WHERE shortname IN ([marks]) OR idnumber IN ([marks]) OR id IN ([ids])"
)
_CATEGORIES = "SELECT id, name, path FROM {course_categories} ORDER BY id"
_COHORTS = "SELECT id, name, idnumber FROM {cohort} WHERE name IN ([marks]) OR idnumber IN ([marks])"
BY_NUMBER = "idnumber:"
"""Before a course's idnumber."""
_BY_ID = "id:"
_CURES: Mapping[str, str] = {
    "courses": 'name one of them by its id, such as "id:{first}"',
    "categories": "write the path from the top; rename one where they share that too",
    "cohorts": "give each an idnumber of its own and name that",
}

Meanings = Mapping[str, Sequence[str]]
"""What an audience can write → each thing that it means, as a person would tell it."""


async def require_one_meaning(database: Database, source: str, selectors: Iterable[Selector]) -> None:
    """See that no selector means several things in this LMS, and that what a programme names is there.

    A table that cannot be read says nothing.

    Raises:
        ConfigError: some do; each is told with the place it stands at.
        TransientError: the database cannot be reached.
    """
    wanted = tuple(dict.fromkeys(selectors))
    if not wanted:
        return
    async with database.snapshot():
        answers = await database.fetch_all([*_queries(database, wanted)])
    courses, categories, cohorts = ([] if isinstance(answer, Unreadable) else answer for answer in answers)
    means = {
        "courses": meaning_of_courses(courses),
        "categories": meaning_of_categories(categories),
        "cohorts": meaning_of_cohorts(cohorts),
    }
    # A programme of which another site has all the courses is none of this one's.
    here = {one.programme for one in wanted if one.programme and means[one.by].get(one.name)}
    faults = []
    for one in wanted:
        found = means[one.by].get(one.name, ())
        if one.programme in here and not found:
            told = f"{one.where}: there is no course {one.name!r} in {source}: nobody there could ever complete"
            faults.append(f"{told} the programme {one.programme}; correct the name, or take the course out")
        if len(found) > 1:
            cure = _CURES[one.by].format(first=found[0].partition(" ")[0])
            faults.append(f"{one.where}: {one.name!r} is ambiguous in {source}: it means {'; '.join(found)}; {cure}")
    if faults:
        raise ConfigError(
            "\n".join(faults), hint="audiences and programmes must name one thing; correct the file or the LMS"
        )


def _queries(database: Database, wanted: Sequence[Selector]) -> Iterable[Query]:
    named = [one.name for one in wanted if one.by == "courses"]
    courses = [name.removeprefix(BY_NUMBER) for name in named]
    ids = sorted({number for name in named if (number := id_of(name)) is not None})
    cohorts = [one.name for one in wanted if one.by == "cohorts"]
    for template, names in ((_COURSES, courses), (_CATEGORIES, []), (_COHORTS, cohorts)):
        marks = ",".join("?" * len(names)) or "NULL"
        yield database.schema.query(template, *names, *names, marks=marks, ids=ids)


def id_of(selector: str) -> int | None:
    """The id that `id:7` names; None where a course is named otherwise."""
    number = selector.removeprefix(_BY_ID)
    return whole_number(number) if number != selector else None


def _gathered(named: Iterable[tuple[str, str]]) -> Meanings:
    found: dict[str, list[str]] = {}
    for name, meaning in named:
        if name and meaning not in found.setdefault(name, []):
            found[name].append(meaning)
    return found


def meaning_of_courses(rows: Rows) -> Meanings:
    """Rows of (id, short name, idnumber)."""
    return _gathered(
        (name, f"{row[0]} ({row[1]})")
        for row in rows
        for name in (row[1], f"{BY_NUMBER}{row[2]}" if row[2] else "", f"{_BY_ID}{row[0]}")
    )


def meaning_of_categories(rows: Rows) -> Meanings:
    """Rows of (id, name, path): each by its own name and by its path from the top."""
    names = {row[0]: str(row[1]) for row in rows}
    paths = {row[0]: [names.get(int(one), "?") for one in str(row[2]).split("/") if one] for row in rows}
    told = {number: " / ".join(path) for number, path in paths.items()}
    return _gathered(
        (name, f"{told[number]} (id {number})") for number in names for name in (names[number], told[number])
    )


def meaning_of_cohorts(rows: Rows) -> Meanings:
    """Rows of (id, name, idnumber)."""
    return _gathered(
        (name, f"cohort {row[0]} ({row[1]}{f', idnumber {row[2]}' if row[2] else ''})")
        for row in rows
        for name in (row[1], row[2])
    )
