"""Scenes of Moodle's less travelled activities: what each event writes, and what each learner should get for it.

A scene has a course, a learner and a teacher of its own, so that all of them lie in one log and are read in one run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from typing import Any

from agent.collectors.systems import moodle
from tests.sites import LOG_DEFAULTS, NOW, Site

AT = NOW - 7 * 86_400
"""When the scenes begin: a week before the test clock."""
DAY = 86_400
HOUR = 3_600

MODULES = ("assign", "quiz", "workshop", "h5pactivity", "scorm", "wiki", "data", "glossary", "choice", "feedback",
           "lesson", "lti", "forum", "page")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What goes into the site: ``log`` rows, ``rows`` of other tables, and what is done to these ``afterwards``.

    ``states`` are the last ones of each learner in each activity.
    """

    log: list[dict[str, Any]]
    rows: list[tuple[str, dict[str, Any]]]
    afterwards: list[tuple[str, tuple[object, ...]]]
    states: dict[tuple[int, int], dict[str, Any]]

    def into(self, site: Site) -> None:
        """Write it all, the log in the order of its times."""
        tables: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for (user, module), state in self.states.items():
            self.rows.append(("course_modules_completion", {"userid": user, "coursemoduleid": module, **state}))
        for table, row in self.rows:
            tables.setdefault((table, *row), []).append((*row.values(),))
        for number, row in enumerate(sorted(self.log, key=itemgetter("timecreated")), 1):
            whole = {"id": number, **LOG_DEFAULTS, **row}
            tables.setdefault(("logstore_standard_log", *whole), []).append((*whole.values(),))
        for (table, *names), rows in tables.items():
            places = ", ".join(["({})".format(", ".join("?" * len(names)))] * len(rows))
            values = [value for row in rows for value in row]
            site.execute(f"INSERT INTO mdl_{table} ({', '.join(names)}) VALUES {places}", values)
        for sql, parameters in self.afterwards:
            site.execute(sql, parameters)


@dataclass(slots=True)
class Stage:
    """Where a scene is played: a course with its learners, and the next free number of everything."""

    course: int
    numbers: Callable[[], int]
    written: Written
    at: int = AT

    @property
    def learner(self) -> int:
        """The learner whom the scene is about."""
        return self.course * 10 + 1

    @property
    def peer(self) -> int:
        """Another learner of the course."""
        return self.course * 10 + 2

    @property
    def teacher(self) -> int:
        """A teacher of the course: staff, who never earns in it."""
        return self.course * 10 + 9

    def put(self, table: str, **columns: Any) -> None:
        """A row of a table other than the log."""
        self.written.rows.append((table, columns))

    def then(self, sql: str, *parameters: object) -> None:
        """What happened by the time the agent reads."""
        self.written.afterwards.append((sql, parameters))

    def later(self, seconds: int) -> Stage:
        """Time goes by."""
        self.at += seconds
        return self

    def activity(self, name: str, **columns: Any) -> tuple[int, int]:
        """A course module of this sort; its number and that of its instance."""
        module, instance = self.numbers(), self.numbers()
        self.put(
            "course_modules", id=module, course=self.course, module=MODULES.index(name) + 1,
            instance=instance, section=self.course, added=AT - 30 * DAY, completion=2, **columns,
        )  # fmt: skip
        return module, instance

    def row(self, event: str, **columns: Any) -> None:
        """A row of the log, of the learner in the course unless it says otherwise."""
        about = {"userid": self.learner, "courseid": self.course, "contextinstanceid": self.course}
        if "other" in columns and not isinstance(columns["other"], str):
            columns["other"] = json.dumps(columns["other"])
        self.written.log.append({"eventname": event, "timecreated": self.at, **about, **columns})

    def within(self, module: int, event: str, **columns: Any) -> None:
        """A row of something that happened in an activity."""
        self.row(event, contextlevel=70, contextinstanceid=module, **columns)

    def completed(self, module: int, state: int, **columns: Any) -> None:
        """The completion of an activity moved to a state."""
        other = {"relateduserid": self.learner, "overrideby": None, "completionstate": state}
        said: dict[str, Any] = {
            "relateduserid": self.learner, "objecttable": "course_modules_completion", "objectid": self.numbers(),
            "other": other, **columns,
        }  # fmt: skip
        self.within(module, moodle.COMPLETION, **said)
        user, reached = said["relateduserid"], said["other"]["completionstate"]
        self.written.states[user, module] = {"completionstate": reached, "timemodified": self.at}

    def item(self, name: str | None, instance: int | None, **columns: Any) -> int:
        """An item of the gradebook, of 100 points unless it says otherwise."""
        item = self.numbers()
        usual: dict[str, object] = {
            "itemtype": "mod", "itemnumber": 0, "gradetype": 1, "grademax": 100, "grademin": 0, "gradepass": 0,
            "hidden": 0, "timecreated": AT - 30 * DAY, "timemodified": AT - 30 * DAY,
        }  # fmt: skip
        self.put("grade_items", id=item, courseid=self.course, itemmodule=name, iteminstance=instance,
            **usual | columns)  # fmt: skip
        return item

    def graded(self, item: int, value: float | None, *, grade: int | None = None, **columns: Any) -> int:
        """A grade of an item, and the row that tells it; the number of the grade."""
        known = grade is not None
        grade = grade if grade is not None else self.numbers()
        kept = {name: columns.pop(name) for name in ("hidden", "timemodified") if name in columns}
        if not known:
            stored = {"hidden": 0, "timemodified": self.at} | kept
            self.put("grade_grades", id=grade, itemid=item, userid=self.learner, finalgrade=value, **stored)
        else:
            self.then(
                "UPDATE mdl_grade_grades SET finalgrade = ?, timemodified = ? WHERE id = ?", value, self.at, grade
            )
        other = {"itemid": str(item), "overridden": False, "finalgrade": value}
        said = {"relateduserid": self.learner, "userid": self.teacher, "objecttable": "grade_grades", "objectid": grade}
        self.row(moodle.GRADED, **said | {"other": other} | columns)
        return grade

    def assignment(self, **columns: Any) -> tuple[int, int]:
        """An assignment; its course module and its number."""
        module, instance = self.activity("assign")
        usual: dict[str, object] = {"name": "A", "intro": "", "duedate": 0, "grade": 100}
        self.put("assign", id=instance, course=self.course, **usual | columns)
        return module, instance

    def handed_in(self, module: int, assignment: int, *, again: int | None = None, **columns: Any) -> int:
        """A submission, and the row that tells it; the number of the submission."""
        number = again or self.numbers()
        kept = {name: columns.pop(name) for name in ("attemptnumber", "groupid") if name in columns}
        if again is None:
            owner = 0 if "groupid" in kept else self.learner
            self.put("assign_submission", id=number, assignment=assignment, userid=owner, status="submitted",
                **{"attemptnumber": 0, "latest": 1, "groupid": 0} | kept)  # fmt: skip
        self.within(module, moodle.ASSIGN_SUBMITTED, objecttable="assign_submission", objectid=number,
                    other={"submission_editable": True}, **columns)  # fmt: skip
        return number

    def quiz(self, **columns: Any) -> tuple[int, int]:
        """A quiz out of 10; its course module and its number."""
        module, instance = self.activity("quiz")
        usual: dict[str, object] = {"name": "Q", "intro": "", "sumgrades": 10, "grade": 100, "timeclose": 0}
        self.put("quiz", id=instance, course=self.course, **usual | columns)
        return module, instance

    def attempted(self, module: int, quiz: int, marks: float | None, number: int = 1, **columns: Any) -> int:
        """A finished attempt, and the row that tells it."""
        attempt = self.numbers()
        self.put("quiz_attempts", id=attempt, uniqueid=attempt, quiz=quiz, userid=self.learner, attempt=number,
            sumgrades=marks, state="finished", preview=0)  # fmt: skip
        other = {"quizid": quiz, "submitterid": self.learner}
        self.within(module, moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=attempt,
                    relateduserid=self.learner, other=other, **columns)  # fmt: skip
        return attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """``gets`` is what the learner's entries should be, `rule amount` in order; ``peer`` those of the other learner."""

    name: str
    play: Callable[[Stage], None]
    gets: tuple[str, ...] = ()
    peer: tuple[str, ...] = ()


def play(site: Site, scenes: Iterable[Scene]) -> dict[str, Stage]:
    """Write all scenes into one site, each in a course of its own; scene → its stage."""
    written, numbers = Written(log=[], rows=[], afterwards=[], states={}), count(10_000).__next__
    site_wide = Stage(course=0, numbers=numbers, written=written)
    for number, name in enumerate(MODULES, 1):
        site_wide.put("modules", id=number, name=name)
    site_wide.put("role", id=3, name="", shortname="editingteacher", description="", archetype="editingteacher")
    site_wide.put("context", id=1, contextlevel=10, instanceid=0, path="/1")
    site_wide.put("course_categories", id=1, name="C", path="/1")
    stages = {}
    for course, scene in enumerate(scenes, 100):
        stage = Stage(course=course, numbers=numbers, written=written)
        stage.put("course", id=course, category=1, shortname=f"C{course}", fullname=scene.name, enablecompletion=1)
        stage.put("course_sections", id=course, course=course, section=1)
        stage.put("context", id=course, contextlevel=50, instanceid=course, path=f"/1/{course}")
        stage.put("role_assignments", id=course, roleid=3, contextid=course, userid=stage.teacher)
        for user in (stage.learner, stage.peer, stage.teacher):
            stage.put("user", id=user, username=f"u{user}", email=f"u{user}@example.test")
        scene.play(stage)
        stages[scene.name] = stage
    written.into(site)
    return stages
