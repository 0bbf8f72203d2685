"""Founds the embedded campus: people, courses, enrolments and an empty log in a new SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from agent.demo.campus import DAY_S, PREFIX, Campus, Course, add_context, connect, insert
from agent.demo.cast import (
    ADMIN,
    CATEGORIES,
    COURSES,
    FIRST_LEARNER,
    LEARNER_NAMES,
    MODULES,
    STAFF_NAMES,
    TEACHER,
    TUTOR,
)
from agent.demo.schema import sqlite_ddl
from agent.demo.teaching import Teaching

_ROLES = (("manager", 1), ("coursecreator", 2), ("editingteacher", 3), ("teacher", 4), ("student", 5), ("guest", 6))
_FOR_ALL = "FIRE01"
_EARLY_DAYS = 20
"""Some enrolled that long before term began, and are not within a recommended window any more."""
_STUDENT, _EDITING, _TEACHING = 5, 3, 4


def create(path: Path, *, born_at: int) -> Campus:
    """Make the file with its people, courses and enrolments, and an empty log. ``born_at`` is when term began.

    Raises:
        FileExistsError: there is a file already.
    """
    if path.exists():
        raise FileExistsError(path)
    db = connect(path)
    try:
        db.execute("BEGIN")
        for statement in sqlite_ddl(PREFIX):
            db.execute(statement)
        campus = _Founding(db, born_at).found(path)
        db.execute("COMMIT")
    finally:
        db.close()
    return campus


class _Founding:
    """Writes the first rows in the order in which they need one another."""

    def __init__(self, db: sqlite3.Connection, born_at: int) -> None:
        self._db = db
        self._at = born_at
        self._sortorder = count(1)

    def found(self, path: Path) -> Campus:
        """All of it."""
        add_context(self._db, 10, 0, "")
        for name, order in _ROLES:
            insert(self._db, "role", id=order, shortname=name, archetype=name, sortorder=order)
        for module, module_id in MODULES.items():
            insert(self._db, "modules", id=module_id, name=module, visible=1)
        people = self._people()
        categories = self._categories()
        teaching = Teaching(self._db, self._at)
        courses = tuple(teaching.course(n, plan, categories[plan.category]) for n, plan in enumerate(COURSES, 2))
        learners = tuple(user for user in people if user >= FIRST_LEARNER)
        return Campus(
            path=path,
            learners=learners,
            usernames={user: name for user, (name, _) in people.items()},
            contexts={user: context for user, (_, context) in people.items()},
            courses=courses,
            enrolled=self._enrolments(courses, learners),
        )

    def _people(self) -> dict[int, tuple[str, int]]:
        named = list(STAFF_NAMES)
        for user, (first, last) in enumerate(LEARNER_NAMES, FIRST_LEARNER):
            named.append((user, f"student{user - FIRST_LEARNER + 1:02}", first, last))
        people: dict[int, tuple[str, int]] = {}
        for user, username, first, last in named:
            insert(
                self._db,
                "user",
                id=user,
                auth="manual",
                confirmed=1,
                mnethostid=1,
                username=username,
                idnumber=f"S{user:05}" if user >= FIRST_LEARNER else "",
                firstname=first,
                lastname=last,
                email=f"{username}@campus.example",
                lang="en",
                timezone="99",
                timecreated=self._at,
                timemodified=self._at,
            )
            people[user] = (username, add_context(self._db, 30, user, "/1")[0])
        return people

    def _categories(self) -> dict[int, str]:
        paths: dict[int, tuple[str, str]] = {0: ("", "/1")}
        for category, name, parent in CATEGORIES:
            path, context_path = paths[parent]
            depth = path.count("/") + 1
            paths[category] = (f"{path}/{category}", add_context(self._db, 40, category, context_path)[1])
            insert(
                self._db,
                "course_categories",
                id=category,
                name=name,
                parent=parent,
                depth=depth,
                path=paths[category][0],
                visible=1,
                sortorder=next(self._sortorder),
                timemodified=self._at,
            )
        return {category: context_path for category, (_, context_path) in paths.items()}

    def _enrolments(self, courses: Sequence[Course], learners: Sequence[int]) -> dict[int, tuple[Course, ...]]:
        cohort = insert(
            self._db,
            "cohort",
            contextid=1,
            name="Pilot group",
            idnumber="pilot",
            visible=1,
            timecreated=self._at,
            timemodified=self._at,
        )
        enrolled: dict[int, list[Course]] = {}
        for number, course in enumerate(courses):
            method = insert(
                self._db,
                "enrol",
                enrol="manual",
                courseid=course.id,
                roleid=_STUDENT,
                timecreated=self._at,
                timemodified=self._at,
            )
            self._join(method, course, TEACHER, _EDITING)
            self._join(method, course, TUTOR, _TEACHING)
            for learner in learners:
                if course.shortname == _FOR_ALL or learner % 2 == number % 2 or learner % 5 == 0:
                    early = learner % 3 == 0 and course.shortname != _FOR_ALL
                    self._join(method, course, learner, _STUDENT, days_before=_EARLY_DAYS if early else 0)
                    enrolled.setdefault(learner, []).append(course)
        for learner in learners[:15]:
            insert(self._db, "cohort_members", cohortid=cohort, userid=learner, timeadded=self._at)
        return {learner: tuple(chosen) for learner, chosen in enrolled.items()}

    def _join(self, method: int, course: Course, user: int, role: int, *, days_before: int = 0) -> None:
        at = self._at - days_before * DAY_S
        insert(
            self._db,
            "user_enrolments",
            enrolid=method,
            userid=user,
            modifierid=ADMIN,
            timeend=0,
            timecreated=at,
            timemodified=at,
        )
        insert(
            self._db,
            "role_assignments",
            roleid=role,
            contextid=course.context,
            userid=user,
            modifierid=ADMIN,
            timemodified=self._at,
        )
