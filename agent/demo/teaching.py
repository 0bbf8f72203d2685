"""Builds what is taught: courses with their sections, activities and gradebook; also while term is running."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.demo.campus import DAY_S, Activity, Course, add_context, insert
from agent.demo.cast import ADMIN, MODULES, NEXT_WEEK, QUIZ_MARKS, CoursePlan, Module


class Teaching:
    """Writes courses as they stand at one moment, ``at``. Commits nothing."""

    def __init__(self, db: sqlite3.Connection, at: int) -> None:
        self._db = db
        self._at = at

    def course(self, course: int, plan: CoursePlan, parent: str) -> Course:
        """A course with everything in it; ``parent`` is the context path of its category."""
        insert(
            self._db,
            "course",
            id=course,
            category=plan.category,
            fullname=plan.fullname,
            shortname=plan.shortname,
            idnumber=plan.idnumber,
            format="topics",
            startdate=self._at,
            visible=1,
            enablecompletion=1,
            sortorder=course,
            timecreated=self._at,
            timemodified=self._at,
        )
        context, path = add_context(self._db, 50, course, parent)
        total = self._grade_item(course, "course", None, None, grademax=100)
        activities: list[Activity] = []
        for number, (name, planned) in enumerate(plan.sections, 1):
            activities.extend(self._section(course, number, name, planned, path))
        badge = insert(
            self._db,
            "badge",
            name=f"{plan.shortname} completed",
            type=2,
            courseid=course,
            status=3,
            usercreated=ADMIN,
            usermodified=ADMIN,
            issuername="Campus",
            message="Well done",
            timecreated=self._at,
            timemodified=self._at,
        )
        return Course(
            id=course,
            context=context,
            shortname=plan.shortname,
            total_item=total,
            badge=badge,
            activities=tuple(activities),
        )

    def open_week(self, course: Course) -> Course:
        """A section more in a running course; gives the course as it now is."""
        (number,) = self._db.execute(
            "SELECT MAX(section) + 1 FROM mdl_course_sections WHERE course = ?", (course.id,)
        ).fetchone()
        (path,) = self._db.execute("SELECT path FROM mdl_context WHERE id = ?", (course.context,)).fetchone()
        added = self._section(course.id, number, f"Week {number}", NEXT_WEEK, path)
        return replace(course, activities=(*course.activities, *added))

    def _section(
        self, course: int, number: int, name: str, planned: Sequence[tuple[Module, str]], path: str
    ) -> list[Activity]:
        section = insert(
            self._db, "course_sections", course=course, section=number, name=name, visible=1, timemodified=self._at
        )
        made = [self._activity(course, section, path, module, title) for module, title in planned]
        sequence = ",".join(str(activity.cm) for activity in made)
        self._db.execute("UPDATE mdl_course_sections SET sequence = ? WHERE id = ?", (sequence, section))
        return made

    def _grade_item(
        self, course: int, itemtype: str, module: str | None, instance: int | None, *, grademax: int, gradepass: int = 0
    ) -> int:
        return insert(
            self._db,
            "grade_items",
            courseid=course,
            itemtype=itemtype,
            itemmodule=module,
            iteminstance=instance if instance is not None else course,
            itemnumber=None if module is None else 0,
            gradetype=1,
            grademax=grademax,
            gradepass=gradepass,
            timecreated=self._at,
            timemodified=self._at,
        )

    def _activity(self, course: int, section: int, parent: str, module: Module, name: str) -> Activity:
        instance = insert(self._db, module, course=course, name=name, timemodified=self._at, **self._settings(module))
        cm = insert(
            self._db,
            "course_modules",
            course=course,
            module=MODULES[module],
            instance=instance,
            section=section,
            added=self._at,
            visible=1,
            completion=2,
            completionview=int(module == "page"),
            completionpassgrade=int(module == "quiz"),
        )
        context, _ = add_context(self._db, 70, cm, parent)
        item = None
        if module in ("quiz", "assign"):
            item = self._grade_item(course, "mod", module, instance, grademax=100, gradepass=50)
        return Activity(
            cm=cm,
            context=context,
            course=course,
            section=section,
            module=module,
            instance=instance,
            name=name,
            grade_item=item,
        )

    def _settings(self, module: Module) -> Mapping[str, Any]:
        match module:
            case "quiz":
                return {"sumgrades": QUIZ_MARKS, "grade": 100, "timecreated": self._at}
            case "assign":
                return {"grade": 100, "duedate": self._at + 10 * DAY_S, "cutoffdate": self._at + 60 * DAY_S}
            case "forum":
                return {"type": "general", "assessed": 1, "scale": 5}
            case "feedback":
                return {"anonymous": 1}
            case "page":
                return {}
