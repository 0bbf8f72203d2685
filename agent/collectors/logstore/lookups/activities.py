"""The activity an event happened in: its sort, its section, its instance; and posts that only went with it."""

from __future__ import annotations

from agent.collectors.logstore.dialects.database import Answer, Query, Unreadable
from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of
from agent.collectors.systems.moodle import GRADED, POSTS_DELETED

MODULES = "SELECT id, name FROM {modules}"
_BY_ID = "SELECT id, module, section, instance, completionexpected FROM {course_modules} WHERE id IN ([ids])"
_SUBSECTIONS = (
    "SELECT s.id, cm.section FROM {course_sections} s JOIN {course_modules} cm ON cm.course = s.course "
    "AND cm.instance = s.itemid JOIN {modules} m ON m.id = cm.module AND m.name = 'subsection' "
    "WHERE s.component = 'mod_subsection' AND s.course IN ([courses])"
)
"""Since Moodle 4.5 a subsection is a section of its own; older ones have no such columns, and no subsections."""
_GOING = "SELECT id FROM {course_modules} WHERE deletioninprogress = 1 AND id IN ([ids])"
_FEEDS = ("module", "section", "section_progress_pct", "late_by", "on_time")


def activities(batch: Batch) -> LookUp:
    """Fill in module, section, instance and expected date of drafts that stand in an activity.

    Grades do not say where they stand; which sections lie in others is asked for them too.
    """
    mine = [draft for draft in batch.drafts if draft.lesson is not None]
    if not (mine or any(draft.event == GRADED for draft in batch.drafts)) or not batch.wants(*_FEEDS):
        return
    ids = {draft.lesson for draft in mine if draft.lesson is not None}
    found, names, *nested = yield [
        batch.schema.query(_BY_ID, ids=sorted(ids)),
        batch.schema.query(MODULES),
        *_subsections(batch),
    ]
    batch.parents.update((row[0], row[1]) for answer in nested for row in rows_of(answer))
    name_of = {row[0]: str(row[1]) for row in rows_of(names)}
    batch.nested = not any(map(_kept_from_us, nested)) or (bool(name_of) and "subsection" not in name_of.values())
    by_id = {row[0]: row for row in rows_of(found)}
    for draft in mine:
        row = by_id.get(draft.lesson)
        if row is not None:
            draft.module = name_of.get(row[1])
            draft.section, draft.instance, draft.expected = batch.section_of(row[2]), row[3], row[4]
            if "module" in batch.facts and draft.module is not None:
                draft.facts["module"] = draft.module


def forums_going(batch: Batch) -> LookUp:
    """Mark posts that nobody deleted: their forum is being deleted, and they go with it."""
    mine = [draft for draft in batch.drafts if draft.event in POSTS_DELETED and draft.lesson is not None]
    if not mine:
        return
    (answer,) = yield [batch.schema.query(_GOING, ids=sorted({draft.lesson for draft in mine if draft.lesson}))]
    going = {row[0] for row in rows_of(answer)}
    for draft in mine:
        if draft.lesson in going:
            draft.marks.add("cleared")


def _kept_from_us(answer: Answer) -> bool:
    """Whether the account may not read it; what is not there holds nothing."""
    return isinstance(answer, Unreadable) and answer.denied


def _subsections(batch: Batch) -> list[Query]:
    """The question which sections lie in others, where somebody asks for sections."""
    courses = sorted({draft.course for draft in batch.drafts if draft.course is not None})
    if not courses or not batch.wants("section", "section_progress_pct"):
        return []
    return [batch.schema.query(_SUBSECTIONS, courses=courses)]
