"""The activity an event happened in: its sort, its section, its instance."""

from __future__ import annotations

from agent.collectors.logstore.lookups.base import Batch, LookUp, rows_of

MODULES = "SELECT id, name FROM {modules}"
_BY_ID = "SELECT id, module, section, instance, completionexpected FROM {course_modules} WHERE id IN ([ids])"
_FEEDS = ("module", "section", "section_progress_pct", "late_by", "on_time")


def activities(batch: Batch) -> LookUp:
    """Fill in module, section, instance and expected date of drafts that stand in an activity."""
    mine = [draft for draft in batch.drafts if draft.lesson is not None]
    if not mine or not batch.wants(*_FEEDS):
        return
    ids = {draft.lesson for draft in mine if draft.lesson is not None}
    found, names = yield [batch.schema.query(_BY_ID, ids=sorted(ids)), batch.schema.query(MODULES)]
    name_of = {row[0]: str(row[1]) for row in rows_of(names)}
    by_id = {row[0]: row for row in rows_of(found)}
    for draft in mine:
        row = by_id.get(draft.lesson)
        if row is not None:
            draft.module = name_of.get(row[1])
            draft.section, draft.instance, draft.expected = row[2], row[3], row[4]
            if "module" in batch.facts and draft.module is not None:
                draft.facts["module"] = draft.module
