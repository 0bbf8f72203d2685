"""How much of a section and of a course the learner had completed at the time of the event, as Moodle counts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agent.collectors.logstore.dialects.database import Unreadable
from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.lookups.base import Batch, LookUp, per_cent, rows_of
from agent.collectors.ranges import joined
from agent.config.facts import FACTS

NEAR = 32
"""Activities whose ids lie this near to one another are asked for as one range. What of the same learner lies between
costs less than a server takes to plan for each id of a list."""

_TRACKED = (
    "SELECT course, section, [listing] FROM {course_modules} "
    "WHERE course IN ([ids]) AND completion > 0 AND deletioninprogress = 0 GROUP BY course, section"
)
_DONE = (
    "SELECT userid, coursemoduleid, timemodified FROM {course_modules_completion} "
    "WHERE completionstate IN (1, 2) AND [ranged]"
)
_COMPLETED = (
    "SELECT userid, course, timecompleted FROM {course_completions} "
    "WHERE timecompleted > 0 AND userid IN ([users]) AND course IN ([courses])"
)
_SECTION = "section_progress_pct"
_COURSE = "course_progress_pct"
_ENTRIES = {entry.name: entry for entry in FACTS}


def progress(batch: Batch) -> LookUp:
    """Add section and course progress, counting completions that are not later than the event."""
    of_section = _relevant(batch, _SECTION)
    of_course = _relevant(batch, _COURSE)
    if not of_section and not of_course:
        return
    ids = sorted({draft.course for draft in (*of_section, *of_course) if draft.course is not None})
    (answer,) = yield [batch.schema.query(_TRACKED, ids=ids, listing=batch.schema.listing("id"))]
    modules: dict[tuple[str, int | None], list[int]] = {}
    for course, section, listed in rows_of(answer):
        there = [int(module) for module in str(listed).split(",")]
        modules.setdefault((_COURSE, course), []).extend(there)
        modules.setdefault((_SECTION, batch.section_of(section)), []).extend(there)
    yield []  # an activity that was graded is placed in its section by the answers of this round
    places = [(draft, _SECTION, draft.section) for draft in of_section if draft.section is not None]
    places += [(draft, _COURSE, draft.course) for draft in of_course if draft.course is not None]
    tracked = [(draft, name, modules[name, place]) for draft, name, place in places if (name, place) in modules]
    wanted: dict[int, set[int]] = {}
    for draft, _, of_place in tracked:
        if draft.learner is not None:
            wanted.setdefault(draft.learner, set()).update(of_place)
    users = sorted({draft.learner for draft in of_course if draft.learner is not None})
    asked = [batch.schema.query(_COMPLETED, users=users, courses=ids)] if users else []
    answers = yield [*asked, *batch.schema.ranged(_DONE, "userid", "coursemoduleid", _ranges(wanted))]
    completed, answers = answers[: len(asked)], answers[len(asked) :]
    if any(isinstance(answer, Unreadable) for answer in completed):  # a completed course is 100: we cannot tell which
        tracked = [one for one in tracked if one[1] == _SECTION]
    finished = {(row[0], row[1]): row[2] for answer in completed for row in rows_of(answer)}
    done = {(row[0], row[1]): row[2] for answer in answers for row in rows_of(answer)}
    readable = all(isinstance(answer, list) for answer in answers)
    _note(tracked if readable else (), done, finished)


def _relevant(batch: Batch, fact: str) -> list[Draft]:
    """The drafts that can have the fact: views, say, move nothing and are not asked for."""
    if fact not in batch.facts:
        return []
    entry = _ENTRIES[fact]
    known: dict[str | None, bool] = {None: False}
    found = []
    for draft in batch.drafts:
        kind = "grade.awarded" if draft.kind is None and draft.object_table == "grade_grades" else draft.kind
        if kind not in known and kind is not None:
            known[kind] = entry.applies_to(kind)
        if known[kind] and draft.course is not None and draft.learner is not None:
            found.append(draft)
    return found


def _ranges(wanted: Mapping[int, set[int]]) -> list[tuple[int, int, int]]:
    """(learner, first, last) of activities; what lies between may be found too."""
    return [
        (user, first, last)
        for user, modules in sorted(wanted.items())
        for first, last in joined(((module, module) for module in modules), near=NEAR)
    ]


def _note(
    tracked: Iterable[tuple[Draft, str, Sequence[int]]],
    done: Mapping[tuple[int | None, int], int],
    finished: Mapping[tuple[int | None, int | None], int],
) -> None:
    for draft, name, modules in tracked:
        at = finished.get((draft.learner, draft.course)) if name == _COURSE else None
        if at is not None and at <= draft.time:
            draft.facts[name] = 100
            continue
        count = sum(1 for module in modules if _by_then(done.get((draft.learner, module)), draft.time))
        draft.facts[name] = per_cent(count, len(modules))


def _by_then(at: int | None, time: int) -> bool:
    return at is not None and at <= time
