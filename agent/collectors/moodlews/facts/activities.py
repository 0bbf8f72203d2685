"""The activity that an act happened in: its sort, its section, its instance."""

from __future__ import annotations

from agent.collectors.moodlews.facts.batch import Batch, Look, number_of

_PLACED = frozenset({"quiz_attempts", "assign_submission"})
"""Of what happens there the look-ups ask by the activity's own number."""
_FEEDS = ("module", "section", "section_progress_pct")


async def activities(batch: Batch) -> None:
    """Fill in section and instance of what stands in an activity, and its sort where it is wanted."""
    for look in batch.looks:
        needed = look.seen.object_table in _PLACED or batch.wants(*_FEEDS)
        if look.lesson is not None and needed:
            await place(batch, look)


async def place(batch: Batch, look: Look) -> None:
    """Where the activity of one observation stands."""
    lesson = number_of(look.lesson)
    if lesson is None or look.course is None:
        return
    module = await batch.answers.module(look.course, lesson)
    if module is None:
        return
    look.instance = module.instance
    if batch.wants(*_FEEDS):
        look.section = str(module.section)
    if batch.wants("module"):
        look.facts["module"] = module.name
