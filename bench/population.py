"""A university in numbers: 200 courses with modules and grade items, 5,000 learners and their enrolments.

Everything is worked out from its number, so that the log's generator finds a course module's context without asking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

MODULES: Mapping[str, int] = {
    "assign": 1,
    "book": 3,
    "choice": 5,
    "feedback": 7,
    "forum": 9,
    "glossary": 10,
    "lesson": 13,
    "page": 16,
    "quiz": 18,
    "url": 21,
    "wiki": 22,
}
PLAN: tuple[str, ...] = (
    *("page", "page", "quiz", "forum", "page"),
    *("assign", "book", "quiz", "choice", "url"),
    *("page", "assign", "quiz", "glossary", "lesson"),
    *("page", "assign", "quiz", "forum", "feedback", "wiki"),
)
"""The modules of every course, in order."""
SECTIONS = 4
PER_COURSE = len(PLAN)
FIRST_COURSE = 2
FIRST_USER = 11
TEACHERS = range(3, 11)
ADMIN = 2
GRADED = ("quiz", "assign", "lesson", "forum")
QUIZ_MARKS = 10
DAY_S = 86_400
Row = tuple[object, ...]
Filling = tuple[str, tuple[str, ...], Iterator[Row]]
"""(table, columns, rows)."""


def filling(table: str, columns: str, rows: Iterator[Row]) -> Filling:
    """What goes into a table of Moodle's; ``columns`` separated by spaces."""
    return f"mdl_{table}", tuple(columns.split()), rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How big the university is."""

    learners: int = 5_000
    courses: int = 200
    courses_each: int = 5
    rows: int = 1_000_000


class Population:
    """Who and what there is; the methods that end in `rows` fill the tables."""

    def __init__(self, size: Size, rng: Random, born_at: int) -> None:
        self.size = size
        self.born_at = born_at
        self.learners = range(FIRST_USER, FIRST_USER + size.learners)
        self.courses = range(FIRST_COURSE, FIRST_COURSE + size.courses)
        self.enrolled: dict[int, tuple[int, ...]] = {
            user: tuple(sorted(rng.sample(self.courses, size.courses_each))) for user in self.learners
        }
        self._of_module = {name: [n for n, module in enumerate(PLAN) if module == name] for name in MODULES}

    def cm(self, course: int, n: int) -> int:
        """The id of a course's n-th course module; its instance has the same id."""
        return (course - FIRST_COURSE) * PER_COURSE + n + 1

    def section(self, course: int, n: int) -> int:
        """The id of the section that the n-th course module stands in."""
        return (course - FIRST_COURSE) * SECTIONS + n * SECTIONS // PER_COURSE + 1

    def user_context(self, user: int) -> int:
        """The context id of a user."""
        return user + 1

    def course_context(self, course: int) -> int:
        """The context id of a course."""
        return self.learners.stop + 20 + course

    def cm_context(self, cm: int) -> int:
        """The context id of a course module."""
        return self.learners.stop + self.courses.stop + 40 + cm

    def item(self, course: int, n: int | None) -> int:
        """The id of a module's grade item, or of the course total for None."""
        return (course - FIRST_COURSE) * (PER_COURSE + 1) + (PER_COURSE if n is None else n) + 1

    def places(self, module: str) -> Sequence[int]:
        """Where in a course the modules of one sort stand."""
        return self._of_module[module]

    def tables(self) -> Iterator[Filling]:
        """Everything that stands before the first log row."""
        at = self.born_at
        yield self._users()
        faculties = [(n, f"Faculty {n}", 0, 1, f"/{n}", 1) for n in range(1, 11)]
        yield filling("course_categories", "id name parent depth path visible", iter(faculties))
        yield from self._courses()
        yield filling("modules", "id name visible", iter([(n, name, 1) for name, n in MODULES.items()]))
        cms = (
            (self.cm(c, n), c, MODULES[m], self.cm(c, n), self.section(c, n), at, 1, 2) for c, n, m in self._modules()
        )
        yield filling("course_modules", "id course module instance section added visible completion", cms)
        yield from self._instances()
        items = "id courseid itemtype itemmodule iteminstance gradetype grademax gradepass"
        yield filling("grade_items", items, self._item_rows())
        roles = [(1, "manager", 1), (3, "editingteacher", 3), (5, "student", 5)]
        yield filling(
            "role",
            "id shortname archetype description sortorder",
            ((n, name, name, "", order) for n, name, order in roles),
        )
        yield filling("context", "id contextlevel instanceid path depth", self._context_rows())
        joined = ((c, u, ADMIN, at, at) for u, courses in self.enrolled.items() for c in courses)
        yield filling("user_enrolments", "enrolid userid modifierid timecreated timemodified", joined)
        yield filling("role_assignments", "roleid contextid userid modifierid timemodified", self._role_rows())

    def _users(self) -> Filling:
        at = self.born_at
        columns = "id auth confirmed mnethostid username idnumber firstname lastname email lang timezone"
        rows = (
            (
                user,
                "manual",
                1,
                1,
                name,
                f"N{user}",
                f"First{user}",
                f"Last{user}",
                f"{name}@campus.example",
                "en",
                "99",
            )
            for user, name in ((1, "guest"), (ADMIN, "admin"), *((u, f"u{u}") for u in (*TEACHERS, *self.learners)))
        )
        return filling("user", f"{columns} timecreated timemodified", ((*row, at, at) for row in rows))

    def _courses(self) -> Iterator[Filling]:
        at = self.born_at
        columns = "id category fullname shortname idnumber format startdate visible enablecompletion"
        rows = ((c, c % 10 + 1, f"Course {c}", f"C{c}", f"IDN{c}", "topics", at, 1, 1, at, at) for c in self.courses)
        yield filling("course", f"{columns} timecreated timemodified", rows)
        sections = ((self.section(c, 0) + n, c, n, 1, at) for c in self.courses for n in range(SECTIONS))
        yield filling("course_sections", "id course section visible timemodified", sections)
        enrolments = ((c, "manual", c, 5, at, at) for c in self.courses)
        yield filling("enrol", "id enrol courseid roleid timecreated timemodified", enrolments)
        badges = ((c, f"Badge {c}", "", 2, c, 3) for c in self.courses)
        yield filling("badge", "id name message type courseid status", badges)

    def _instances(self) -> Iterator[Filling]:
        at = self.born_at

        def of(module: str) -> Iterator[tuple[int, int, int]]:
            return ((self.cm(course, n), course, n) for course, n, name in self._modules() if name == module)

        quizzes = ((i, c, f"Quiz {n}", "", QUIZ_MARKS, 100, at + 80 * DAY_S) for i, c, n in of("quiz"))
        yield filling("quiz", "id course name intro sumgrades grade timeclose", quizzes)
        essays = ((i, c, f"Essay {n}", "", at + (n * 4 + 10) * DAY_S, 100) for i, c, n in of("assign"))
        yield filling("assign", "id course name intro duedate grade", essays)
        forums = ((i, c, "general", f"Forum {n}", "") for i, c, n in of("forum"))
        yield filling("forum", "id course type name intro", forums)

    def _modules(self) -> Iterator[tuple[int, int, str]]:
        for course in self.courses:
            for n, module in enumerate(PLAN):
                yield course, n, module

    def _item_rows(self) -> Iterator[Row]:
        for course, n, module in self._modules():
            if module in GRADED:
                yield (self.item(course, n), course, "mod", module, self.cm(course, n), 1, 100, 50)
        for course in self.courses:
            yield (self.item(course, None), course, "course", None, course, 1, 100, 0)

    def _context_rows(self) -> Iterator[Row]:
        yield (1, 10, 0, "/1", 1)
        for user in (1, ADMIN, *TEACHERS, *self.learners):
            context = self.user_context(user)
            yield (context, 30, user, f"/1/{context}", 2)
        first = self.learners.stop + 5
        for category in range(1, 11):
            yield (first + category, 40, category, f"/1/{first + category}", 2)
        for course in self.courses:
            context, parent = self.course_context(course), first + course % 10 + 1
            yield (context, 50, course, f"/1/{parent}/{context}", 3)
            for n in range(PER_COURSE):
                cm = self.cm(course, n)
                inner = self.cm_context(cm)
                yield (inner, 70, cm, f"/1/{parent}/{context}/{inner}", 4)

    def _role_rows(self) -> Iterator[Row]:
        for course in self.courses:
            yield (3, self.course_context(course), TEACHERS[course % len(TEACHERS)], ADMIN, self.born_at)
        for user, courses in self.enrolled.items():
            for course in courses:
                yield (5, self.course_context(course), user, ADMIN, self.born_at)
