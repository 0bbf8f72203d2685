"""The course of an event: names, categories, time since its start, and since the learner is enrolled in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.collectors.logstore.dialects.database import Row, Unreadable
from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of

_COURSES = "SELECT id, shortname, idnumber, startdate, category FROM {course} WHERE id IN ([ids])"
_PATHS = "SELECT id, path FROM {course_categories} WHERE id IN ([ids])"
_NAMES = "SELECT id, name FROM {course_categories} WHERE id IN ([ids])"
_FIRST = (
    "SELECT ue.userid, e.courseid, MIN(CASE WHEN ue.timestart > 0 THEN ue.timestart ELSE ue.timecreated END) "
    "FROM {user_enrolments} ue JOIN {enrol} e ON e.id = ue.enrolid "
    "WHERE ue.userid IN ([users]) AND e.courseid IN ([courses]) GROUP BY ue.userid, e.courseid"
)
_FEEDS = ("course_shortname", "course_idnumber", "since_start", "course_categories")


def courses(batch: Batch) -> LookUp:
    """Add the facts of each draft's course."""
    mine = [draft for draft in batch.drafts if draft.course is not None]
    if not mine or not batch.wants(*_FEEDS):
        return
    ids = {draft.course for draft in mine if draft.course is not None}
    (answer,) = yield [batch.schema.query(_COURSES, ids=sorted(ids))]
    known = {row[0]: row for row in rows_of(answer)}
    for draft in mine:
        row = known.get(draft.course)
        if row is None:
            continue
        if "course_shortname" in batch.facts:
            draft.facts["course_shortname"] = row[1]
        if "course_idnumber" in batch.facts and row[2]:
            draft.facts["course_idnumber"] = row[2]
        if "since_start" in batch.facts and row[3] > 0:
            draft.facts["since_start"] = draft.time - row[3]
    if known and batch.wants("course_categories"):
        yield from _categories(batch, mine, known)


def enrolments(batch: Batch) -> LookUp:
    """Add `since_enrolment` where the learner is enrolled in the event's course.

    An enrolment that began after the act is not that under which it was done: that one is gone, and with it its time.
    """
    mine = [draft for draft in batch.drafts if draft.course is not None and draft.learner is not None]
    if not mine or not batch.wants("since_enrolment"):
        return
    users = sorted({draft.learner for draft in mine if draft.learner is not None})
    ids = sorted({draft.course for draft in mine if draft.course is not None})
    (answer,) = yield [batch.schema.query(_FIRST, users=users, courses=ids)]
    begun = {(row[0], row[1]): row[2] for row in rows_of(answer)}
    for draft in mine:
        start = begun.get((draft.learner, draft.course))
        if start is not None and start <= draft.time:
            draft.facts["since_enrolment"] = draft.time - start


def _categories(batch: Batch, mine: Iterable[Draft], known: Mapping[int | None, Row]) -> LookUp:
    """Add the categories on the way to each draft's course. Nobody knows which is another answer than none."""
    (answer,) = yield [batch.schema.query(_PATHS, ids=sorted({row[4] for row in known.values()}))]
    paths = {row[0]: [int(part) for part in row[1].split("/") if part] for row in rows_of(answer)}
    (answer,) = yield [batch.schema.query(_NAMES, ids=sorted({one for path in paths.values() for one in path}))]
    if isinstance(answer, Unreadable):
        return
    names = {row[0]: str(row[1]) for row in answer}
    of_category = {category: _named(path, names) for category, path in paths.items()}
    for draft in mine:
        row = known.get(draft.course)
        if row is not None and row[4] in of_category:
            draft.facts["course_categories"] = of_category[row[4]]


def _named(path: list[int], names: Mapping[int, str]) -> tuple[str, ...]:
    """Each category on the way by its own name and by its path from the top (`A / B`), once each."""
    known = [names[one] for one in path if one in names]
    paths = (" / ".join(known[: depth + 1]) for depth in range(len(known)))
    return tuple(dict.fromkeys((*known, *paths)))
