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
Row = tuple[object, ...]


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

    def tables(self) -> Iterator[tuple[str, tuple[str, ...], Iterator[Row]]]:
        """(table, columns, rows) of everything that stands before the first log row."""
        at = self.born_at
        yield "mdl_user", ("id", "auth", "confirmed", "mnethostid", "username", "idnumber", "firstname", "lastname", "email", "lang", "timezone", "timecreated", "timemodified"), self._user_rows()  # fmt: skip  # noqa: E501 - one line per table reads as one
        yield "mdl_course_categories", ("id", "name", "parent", "depth", "path", "visible"), iter([(n, f"Faculty {n}", 0, 1, f"/{n}", 1) for n in range(1, 11)])  # fmt: skip  # noqa: E501 - as above
        yield "mdl_course", ("id", "category", "fullname", "shortname", "idnumber", "format", "startdate", "visible", "enablecompletion", "timecreated", "timemodified"), ((c, c % 10 + 1, f"Course {c}", f"C{c}", f"IDN{c}", "topics", at, 1, 1, at, at) for c in self.courses)  # fmt: skip  # noqa: E501 - as above
        yield "mdl_modules", ("id", "name", "visible"), iter([(n, name, 1) for name, n in MODULES.items()])
        yield "mdl_course_sections", ("id", "course", "section", "visible", "timemodified"), ((self.section(c, 0) + n, c, n, 1, at) for c in self.courses for n in range(SECTIONS))  # fmt: skip  # noqa: E501 - as above
        yield "mdl_course_modules", ("id", "course", "module", "instance", "section", "added", "visible", "completion"), ((self.cm(c, n), c, MODULES[m], self.cm(c, n), self.section(c, n), at, 1, 2) for c, n, m in self._modules())  # fmt: skip  # noqa: E501 - as above
        yield "mdl_quiz", ("id", "course", "name", "intro", "sumgrades", "grade", "timeclose"), ((self.cm(c, n), c, f"Quiz {n}", "", QUIZ_MARKS, 100, at + 80 * 86400) for c, n, m in self._modules() if m == "quiz")  # fmt: skip  # noqa: E501 - as above
        yield "mdl_assign", ("id", "course", "name", "intro", "duedate", "grade"), ((self.cm(c, n), c, f"Essay {n}", "", at + (n * 4 + 10) * 86400, 100) for c, n, m in self._modules() if m == "assign")  # fmt: skip  # noqa: E501 - as above
        yield "mdl_forum", ("id", "course", "type", "name", "intro"), ((self.cm(c, n), c, "general", f"Forum {n}", "") for c, n, m in self._modules() if m == "forum")  # fmt: skip  # noqa: E501 - as above
        yield "mdl_grade_items", ("id", "courseid", "itemtype", "itemmodule", "iteminstance", "gradetype", "grademax", "gradepass"), self._item_rows()  # fmt: skip  # noqa: E501 - as above
        yield "mdl_role", ("id", "shortname", "archetype", "description", "sortorder"), iter([(1, "manager", "manager", "", 1), (3, "editingteacher", "editingteacher", "", 3), (5, "student", "student", "", 5)])  # fmt: skip  # noqa: E501 - as above
        yield "mdl_context", ("id", "contextlevel", "instanceid", "path", "depth"), self._context_rows()
        yield "mdl_enrol", ("id", "enrol", "courseid", "roleid", "timecreated", "timemodified"), ((c, "manual", c, 5, at, at) for c in self.courses)  # fmt: skip  # noqa: E501 - as above
        yield "mdl_user_enrolments", ("enrolid", "userid", "modifierid", "timecreated", "timemodified"), ((c, u, ADMIN, at, at) for u, cs in self.enrolled.items() for c in cs)  # fmt: skip  # noqa: E501 - as above
        yield "mdl_role_assignments", ("roleid", "contextid", "userid", "modifierid", "timemodified"), self._role_rows()
        yield "mdl_badge", ("id", "name", "message", "type", "courseid", "status"), ((c, f"Badge {c}", "", 2, c, 3) for c in self.courses)  # fmt: skip  # noqa: E501 - as above

    def _modules(self) -> Iterator[tuple[int, int, str]]:
        for course in self.courses:
            for n, module in enumerate(PLAN):
                yield course, n, module

    def _user_rows(self) -> Iterator[Row]:
        at = self.born_at
        for user in (1, ADMIN, *TEACHERS, *self.learners):
            name = {1: "guest", ADMIN: "admin"}.get(user, f"u{user}")
            mail = f"{name}@campus.example"
            yield (user, "manual", 1, 1, name, f"N{user}", f"First{user}", f"Last{user}", mail, "en", "99", at, at)

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
