r"""Which facts there are: kind × fact × type × unit × who supplies it × a sample × the tables it is read from. Data.

Shared by `rules facts`, by the engine's warnings («no source can supply it»), by `doctor` (which grant matters to which
rule) and by the log-table collector (what to look up for a page).

`Demand.facts` holds names of this table. Besides facts that conditions look at, it may name what an Observation carries
elsewhere: `section` and `post` (scopes), `staff` (person marks), `roles` and `cohorts` (per person:
`roles:<user id>`, `cohorts:<user id>`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from agent.config.factentry import (
    ANY_KIND,
    ASKED,
    CANVAS,
    GENERIC,
    LEARNWORLDS,
    LOGSTORE,
    MOODLE_WS,
    PERSON,
    POSTS,
    RULES,
    THINKIFIC,
    TOOL_TRIGGER,
    XAPI,
    FactEntry,
    FactType,
)
from agent.config.factlines.people import ENGINE, OF_PERSON, PEOPLE
from agent.config.factlines.vendors import RESULTS, VENDORS
from agent.config.factlines.written import WRITTEN

__all__ = ["FACTS", "LOGSTORE", "MOODLE_WS", "TOOL_TRIGGER", "FactEntry", "FactTable", "FactType"]

_GRADES = ("grade.awarded", "course.graded", "outcome.rated")
_OF_AN_ACTIVITY = ("grade.awarded", "outcome.rated")
_ACTIVITY = ("lesson.*", "quiz.*", "assignment.*", "forum.*", *_OF_AN_ACTIVITY, "survey.*")
_IN_COURSE = (*_ACTIVITY, "course.*", "badge.*")
# What moves progress: acts that complete, not every look at a page.
_WORK = ("lesson.completed", "lesson.uncompleted", "quiz.*", "assignment.*", "grade.awarded", "survey.*")
_DUE = ("assignment.submitted", "quiz.submitted", "lesson.completed")
_QUIZZES = ("quiz.*",)
_DATED = ("quiz.*", "assignment.submitted")
_SCORED = ("quiz.submitted", "quiz.regraded", *_GRADES)
_SCORING = (CANVAS, GENERIC, THINKIFIC, XAPI)

MODULES = ("course_modules", "modules")
_DATES = ("assign_user_flags", "assign_overrides", "quiz_overrides", "groups_members")
_DUE_TABLES = (*MODULES, "assign", "assign_submission", *_DATES, "quiz", "quiz_attempts")


FACTS: tuple[FactEntry, ...] = (
    FactEntry(
        name="score_pct",
        kinds=(*_SCORED, *RESULTS),
        type="rational",
        unit="%",
        sample="66.66667",
        suppliers=(LOGSTORE, MOODLE_WS, *_SCORING),
        only={LOGSTORE: _SCORED, MOODLE_WS: _SCORED, CANVAS: _GRADES, THINKIFIC: _QUIZZES},
        meaning="quiz: 100 × the attempt's sumgrades ÷ the quiz's; grade: where the final grade lies between the "
        "item's least and most. No score, no fact",
        tables=("quiz_attempts", "quiz", "grade_items", "grade_grades"),
    ),
    FactEntry(
        name="attempt",
        kinds=("quiz.submitted", "quiz.regraded", "assignment.submitted"),
        type="int",
        unit="",
        sample="2",
        suppliers=(LOGSTORE, MOODLE_WS, CANVAS, THINKIFIC),
        only={MOODLE_WS: _DATED, CANVAS: ("assignment.submitted",), THINKIFIC: _QUIZZES},
        meaning="which attempt of this learner it is; the first is 1",
        tables=("quiz_attempts", "assign_submission"),
    ),
    FactEntry(
        name="grade",
        kinds=_GRADES,
        type="rational",
        unit="points",
        sample="5.5",
        suppliers=(*POSTS, CANVAS),
        meaning="the final grade at that moment",
    ),
    FactEntry(
        name="passed",
        kinds=_GRADES,
        type="bool",
        unit="",
        sample="true",
        meaning="the final grade reaches the item's grade to pass; absent where none is set",
        tables=("grade_items", "grade_grades"),
    ),
    FactEntry(
        name="overridden",
        kinds=("lesson.*", "course.completed", "programme.completed", *_GRADES),
        type="bool",
        unit="",
        sample="false",
        suppliers=(*POSTS, LEARNWORLDS),
        meaning="somebody set the completion or the grade by hand",
    ),
    FactEntry(
        name="item_number",
        kinds=_OF_AN_ACTIVITY,
        type="int",
        unit="",
        sample="0",
        suppliers=ASKED,
        meaning="which of the activity's grades it is: 0 the first and mostly the only one; workshop: 0 of the "
        "submission, 1 of assessing others; forum: 0 of ratings, 1 of the whole forum; outcomes from 1000",
        tables=("grade_items",),
    ),
    FactEntry(
        name="grade_shown",
        kinds=_GRADES,
        type="bool",
        unit="",
        sample="true",
        meaning="the gradebook shows it to the learner; absent while it is hidden, and decided again once it is shown",
        tables=("grade_items", "grade_grades"),
    ),
    FactEntry(
        name="completion_state",
        kinds=("lesson.completed", "lesson.uncompleted", "lesson.failed"),
        type="int",
        unit="",
        sample="2",
        suppliers=POSTS,
        meaning="0 incomplete, 1 complete, 2 complete and passed, 3 complete and failed, 4 failed with a hidden grade",
    ),
    FactEntry(
        name="module",
        kinds=_ACTIVITY,
        type="text",
        unit="",
        sample="quiz",
        suppliers=ASKED,
        tables=MODULES,
        meaning="what sort of activity: assign, quiz, page, forum, …",
    ),
    FactEntry(
        name="section_progress_pct",
        kinds=_WORK,
        type="rational",
        unit="%",
        sample="80",
        suppliers=ASKED,
        tables=(*MODULES, "course_modules_completion", "course_sections"),
        meaning="how much of the section's tracked activities the learner had completed by then; a subsection's count "
        "into the section that it lies in",
    ),
    FactEntry(
        name="course_progress_pct",
        kinds=(*_WORK, "course.completed"),
        type="rational",
        unit="%",
        sample="41.66667",
        suppliers=ASKED,
        tables=("course_modules", "course_modules_completion", "course_completions"),
        meaning="how much of the course's tracked activities the learner had completed by then; 100 once the "
        "course is completed",
    ),
    *WRITTEN,
    *PEOPLE,
    *ENGINE,
    *VENDORS,
    FactEntry(
        name="late_by",
        kinds=_DUE,
        type="int",
        unit="s",
        sample="-86400",
        suppliers=ASKED,
        tables=_DUE_TABLES,
        only={MOODLE_WS: _DATED},
        meaning="seconds past the learner's due date, extensions and overrides included; negative when early; absent "
        "without a due date",
    ),
    FactEntry(
        name="on_time",
        kinds=_DUE,
        type="bool",
        unit="",
        sample="true",
        suppliers=(LOGSTORE, MOODLE_WS, CANVAS),
        tables=_DUE_TABLES,
        only={MOODLE_WS: _DATED, CANVAS: ("assignment.submitted",)},
        meaning="not later than the learner's due date, extensions and overrides included; absent without one",
    ),
    FactEntry(
        name="since_enrolment",
        kinds=_IN_COURSE,
        type="int",
        unit="s",
        sample="1209600",
        tables=("enrol", "user_enrolments"),
        meaning="seconds since the learner's first enrolment in the course began; absent where that was later",
    ),
    FactEntry(
        name="since_start",
        kinds=_IN_COURSE,
        type="int",
        unit="s",
        sample="604800",
        suppliers=ASKED,
        tables=("course",),
        meaning="seconds since the course's start date; negative before it",
    ),
    FactEntry(
        name="course_id",
        kinds=_IN_COURSE,
        type="text",
        unit="",
        sample="7",
        suppliers=POSTS,
        meaning="the course's number",
    ),
    FactEntry(
        name="course_shortname",
        kinds=_IN_COURSE,
        type="text",
        unit="",
        sample="BIO101",
        suppliers=ASKED,
        tables=("course",),
        meaning="the course's short name",
    ),
    FactEntry(
        name="course_idnumber",
        kinds=_IN_COURSE,
        type="text",
        unit="",
        sample="HS-103",
        suppliers=ASKED,
        tables=("course",),
        meaning="the course's idnumber; absent where it has none",
    ),
    FactEntry(
        name="course_categories",
        kinds=_IN_COURSE,
        type="texts",
        unit="",
        sample="Safety; Campus A / Safety",
        suppliers=ASKED,
        tables=("course", "course_categories"),
        meaning="the categories above the course, each by its own name and by its path",
    ),
    FactEntry(
        name="enrol_method",
        kinds=("course.enrolled", "course.unenrolled"),
        type="text",
        unit="",
        sample="self",
        suppliers=POSTS,
        meaning="manual, self, cohort, …",
    ),
    FactEntry(
        name="origin",
        kinds=ANY_KIND,
        type="text",
        unit="",
        sample="web",
        suppliers=POSTS,
        meaning="how it came about: web, ws (an app or web service) or cli (mostly cron)",
    ),
    FactEntry(
        name="programme",
        kinds=("programme.*",),
        type="text",
        unit="",
        sample="onboarding",
        suppliers=(*POSTS, LEARNWORLDS),
        meaning="the name of the programme; at LearnWorlds its id",
    ),
    FactEntry(
        name="lesson",
        kinds=_OF_AN_ACTIVITY,
        type="text",
        unit="",
        sample="",
        suppliers=ASKED,
        tables=MODULES,
        condition=False,
        meaning="the activity of a grade, which its log row does not say: a scope of once_per",
    ),
    FactEntry(
        name="section",
        kinds=_ACTIVITY,
        type="text",
        unit="",
        sample="",
        suppliers=ASKED,
        tables=(*MODULES, "course_sections"),
        condition=False,
        meaning="the section of the activity, a scope of once_per; of a subsection the one that it lies in",
    ),
)

ONLY_FOR: Mapping[str, str] = {
    "assignsubmission_onlinetext": "assignment.*",
    "assignsubmission_file": "assignment.*",
    "forum_posts": "forum.*",
    "forum_discussions": "forum.*",
}
"""Tables with texts are read for events of these kinds alone, whatever fact they feed: nobody else needs the right."""

ALWAYS_READ: Mapping[str, tuple[str, ...]] = {
    "quiz.submitted": ("quiz_attempts",),
    "quiz.regraded": ("quiz_attempts",),
    "grade.awarded": ("grade_items",),
    "course.graded": ("grade_items",),
    "outcome.rated": ("grade_items",),
    "forum.posted": ("forum_discussions",),
    "forum.post_deleted": ("course_modules",),
    "forum.discussion_deleted": ("course_modules",),
    "*": ("user",),
}
"""Tables read for a kind whatever the rules ask: previews never earn, what was marked is whose attempt it was, a
grade's kind is its item's type, a discussion counts as its first post, a post that went with its forum was not deleted,
deleted people never earn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTable:
    """The table in force. ``sources`` are the kinds of `[[source]]` that there are; None where nobody says."""

    entries: tuple[FactEntry, ...] = FACTS
    sources: frozenset[str] | None = None

    def get(self, name: str) -> FactEntry | None:
        """The entry of that name; facts of a person have the names that `[person] facts` gives them."""
        found = next((entry for entry in self.entries if entry.name == name), None)
        return replace(OF_PERSON, name=name) if found is None and name.startswith(PERSON) else found

    def names(self) -> frozenset[str]:
        """Every fact that a condition can look at."""
        return frozenset(entry.name for entry in self.entries if entry.condition)

    def for_kind(self, kind: str) -> tuple[FactEntry, ...]:
        """The facts that events of this kind can have, in the table's order."""
        return tuple(entry for entry in self.entries if entry.condition and entry.applies_to(kind))

    def suppliers(self, name: str, kind: str) -> frozenset[str]:
        """Source kinds that there are and that can supply the fact for events of this kind; empty where none can.

        What posts the canonical schema may send any fact with its events.
        """
        entry = self.get(name)
        able = entry.suppliers_for(kind) if entry is not None else frozenset()
        return able if self.sources is None or not able else (able | {GENERIC}) & (self.sources | {RULES})

    def elsewhere(self, name: str, kinds: Iterable[str]) -> tuple[str, ...]:
        """Kinds of source that would supply the fact for events of these kinds, whether there are any or not."""
        entry = self.get(name)
        return tuple(sorted({one for kind in kinds for one in entry.suppliers_for(kind)})) if entry is not None else ()

    def tables_for(self, facts: Iterable[str], kinds: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """Table (without prefix) → the demanded facts that are lost where it cannot be read.

        Tables of `ALWAYS_READ` come with what they are read for even where no fact asks for them.
        """
        wanted = tuple(kinds)
        found: dict[str, set[str]] = {}
        for name in facts:
            entry = self.get(name)
            if entry is not None and (not wanted or any(entry.applies_to(kind) for kind in wanted)):
                for table in entry.tables:
                    only = ONLY_FOR.get(table)
                    if only is not None and wanted and not any(fnmatchcase(kind, only) for kind in wanted):
                        continue
                    found.setdefault(table, set()).add(name)
        for pattern, tables in ALWAYS_READ.items():
            if not wanted or any(fnmatchcase(kind, pattern) for kind in wanted):
                for table in tables:
                    found.setdefault(table, set())
        return {table: frozenset(names) for table, names in sorted(found.items())}
