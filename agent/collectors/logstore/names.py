"""What rules call something in the LMS: a name that several things share is a fault, one that means nothing a doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.collectors.cohorts import called
from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Database, Query, Row, Rows, Unreadable
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.numbers import whole_number
from agent.errors import ConfigError
from agent.model import Selector

_COURSES = (
    "SELECT id, shortname, idnumber FROM {course} "
    "WHERE shortname IN ([marks]) OR idnumber IN ([marks]) OR id IN ([ids])"
)
_CATEGORIES = "SELECT id, name, path FROM {course_categories} ORDER BY id"
_COHORTS = "SELECT id, name, idnumber FROM {cohort} WHERE name IN ([marks]) OR idnumber IN ([marks])"
_ROLES = "SELECT id, shortname, archetype FROM {role} ORDER BY id"
_FIELDS = "SELECT shortname FROM {user_info_field} ORDER BY id"
BY_NUMBER = "idnumber:"
"""Before a course's idnumber."""
_BY_ID = "id:"
_CURES: Mapping[str, str] = {
    "courses": 'name one of them by its id, such as "id:{first}"',
    "categories": "write the path from the top; rename one where they share that too",
    "cohorts": "give each an idnumber of its own and name that",
}

Meanings = Mapping[str, Sequence[str]]
"""What can be written → each thing that it means, as a person would tell it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A name and everything it means in one LMS: none is unknown, several are ambiguous.

    ``beside`` are cohorts that have it for a name where another has it for an idnumber: those are not meant.
    """

    selector: Selector
    means: tuple[str, ...]
    beside: tuple[str, ...] = ()

    def told_beside(self) -> str:
        """In a sentence with its place in the file; empty where nothing else is called so."""
        if not self.beside:
            return ""
        said = f"{self.selector.where}: {self.selector.name!r} means {'; '.join(self.means)} by its idnumber"
        return f"{said}, not {'; '.join(self.beside)}, which only has it for a name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A name that means nothing in ``source``. ``alone``: no source has any course of its programme."""

    selector: Selector
    source: str
    alone: bool = False

    def told(self, place: str = "") -> str:
        """In a sentence with its place in the file; ``place`` is how the source is called in it."""
        one = self.selector
        said = f"{one.where}: {one.name!r} is none of the {one.by} {place or f'in {self.source}'}"
        if one.programme and self.alone:
            return f"{said}, nor is any other of the programme {one.programme} known: nobody can complete it"
        return f"{said}: nobody there can complete the programme {one.programme}" if one.programme else said


Several = frozenset[tuple[str, str]]
"""What means several things here: (courses, categories or cohorts, the word)."""


def several(named: Iterable[Named]) -> Several:
    """The names that cannot be told apart: nothing may be decided by them."""
    return frozenset((one.selector.by, one.selector.name) for one in named if len(one.means) > 1)


def doubtful(source: str, named: Iterable[Named]) -> Iterator[str]:
    """Each name that means several things, with its place, what it means and what to do."""
    for one in named:
        if len(one.means) > 1:
            cure = _CURES[one.selector.by].format(first=one.means[0].partition(" ")[0])
            said = f"{one.selector.where}: {one.selector.name!r} is ambiguous in {source}"
            yield f"{said}: it means {'; '.join(one.means)}; {cure}"


def require_one_meaning(source: str, named: Iterable[Named]) -> None:
    """See that no name means several things in this LMS.

    Raises:
        ConfigError: some do; each is told with the place it stands at.
    """
    if faults := list(doubtful(source, named)):
        raise ConfigError("\n".join(faults), hint="a name must mean one thing; correct the file or the LMS")


def unknown(found: Mapping[str, Sequence[Named]]) -> Iterator[Unknown]:
    """What means nothing, of the names of several sources, in written order.

    A name that means something in one source is no other's, and one that a source says nothing of may be there. The
    courses of a programme stand together: each must be where any of them is.
    """
    means = {source: {one.selector: bool(one.means) for one in each} for source, each in found.items()}
    homes = {(source, one.programme) for source, each in means.items() for one, known in each.items() if known}
    settled = {programme for _, programme in homes if programme}
    for one in dict.fromkeys(selector for each in means.values() for selector in each):
        lacking = [source for source, each in means.items() if each.get(one) is False]
        if one.programme in settled:
            yield from (Unknown(selector=one, source=each) for each in lacking if (each, one.programme) in homes)
        elif len(lacking) == len(means):
            yield from (Unknown(selector=one, source=source, alone=True) for source in lacking)


async def meant(options: LogstoreOptions, selectors: Iterable[Selector]) -> tuple[Named, ...]:
    """`meanings` on a connection of its own, with what `[privacy] agreed` names.

    Raises:
        ConfigError: the database refuses us.
        TransientError: it cannot be reached.
    """
    database = database_for(options)
    try:
        return await meanings(database, (*selectors, *agreed(options)))
    finally:
        await database.close()


def agreed(options: LogstoreOptions) -> Iterator[Selector]:
    """The cohorts whose members have agreed to take part."""
    for name in () if options.asked is None else options.asked.cohorts:
        yield Selector(by="cohorts", name=name, where=f"{options.place}: [privacy] agreed", of="[privacy] agreed")


async def meanings(database: Database, selectors: Iterable[Selector]) -> tuple[Named, ...]:
    """What names mean in this LMS; of a table that cannot be read nothing is said.

    Raises:
        TransientError: the database cannot be reached.
    """
    wanted = tuple(dict.fromkeys(selectors))
    if not wanted:
        return ()
    asked = {by: query for by, query in _queries(database, wanted).items() if any(one.by == by for one in wanted)}
    async with database.snapshot():
        answers = await database.fetch_all([*asked.values()])
    read = {by: answer for by, answer in zip(asked, answers, strict=True) if not isinstance(answer, Unreadable)}
    means = {by: _READ[by](rows) for by, rows in read.items()}
    beside = shadowed_cohorts(read.get("cohorts", []))
    return tuple(
        Named(
            selector=one,
            means=tuple(means[one.by].get(one.name, ())),
            beside=tuple(beside.get(one.name, ())) if one.by == "cohorts" else (),
        )
        for one in wanted
        if one.by in means
    )


def _queries(database: Database, wanted: Sequence[Selector]) -> Mapping[str, Query]:
    named = [one.name for one in wanted if one.by == "courses"]
    courses = [name.removeprefix(BY_NUMBER) for name in named]
    ids = sorted({number for name in named if (number := id_of(name)) is not None})
    cohorts = [one.name for one in wanted if one.by == "cohorts"]

    def query(template: str, names: Sequence[str] = ()) -> Query:
        marks = ",".join("?" * len(names)) or "NULL"
        return database.schema.query(template, *names, *names, marks=marks, ids=ids)

    return {
        "courses": query(_COURSES, courses),
        "categories": query(_CATEGORIES),
        "cohorts": query(_COHORTS, cohorts),
        "roles": query(_ROLES),
        "profile fields": query(_FIELDS),
    }


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
    """Rows of (id, name, idnumber): by the idnumber, else by the name."""
    numbers = frozenset(row[2] for row in rows)
    return _gathered((word, _cohort(row)) for row in rows for word in called(row[2], row[1], numbers))


def shadowed_cohorts(rows: Rows) -> Meanings:
    """Of rows of (id, name, idnumber) those whose name is the idnumber of another."""
    numbers = frozenset(row[2] for row in rows)
    return _gathered((row[1], _cohort(row)) for row in rows if row[1] in numbers and row[1] != row[2])


def _cohort(row: Row) -> str:
    return f"cohort {row[0]} ({row[1]}{f', idnumber {row[2]}' if row[2] else ''})"


def meaning_of_roles(rows: Rows) -> Meanings:
    """Rows of (id, short name, archetype). An archetype stands for each of its roles, and that is one meaning."""
    return {name: (f"role {name}",) for row in rows for name in row[1:3] if name}


def meaning_of_fields(rows: Rows) -> Meanings:
    """Rows of (short name) of custom profile fields."""
    return {row[0]: (f"profile field {row[0]}",) for row in rows}


_READ: Mapping[str, Callable[[Rows], Meanings]] = {
    "courses": meaning_of_courses,
    "categories": meaning_of_categories,
    "cohorts": meaning_of_cohorts,
    "roles": meaning_of_roles,
    "profile fields": meaning_of_fields,
}
