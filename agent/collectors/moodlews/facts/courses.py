"""The course of an act: names, categories, time since its start."""

from __future__ import annotations

from agent.collectors.moodlews.facts.batch import Batch, Look
from agent.collectors.moodlews.shapes import Course

_FEEDS = ("course_shortname", "course_idnumber", "since_start", "course_categories")


async def courses(batch: Batch) -> None:
    """Add the facts of each observation's course."""
    if not batch.wants(*_FEEDS):
        return
    for look in batch.looks:
        course = await batch.answers.course(look.course) if look.course is not None else None
        if course is None:
            continue
        if batch.wants("course_shortname"):
            look.facts["course_shortname"] = course.short_name
        if batch.wants("course_idnumber") and (number := await _id_number(batch, look, course)):
            look.facts["course_idnumber"] = number
        if batch.wants("since_start") and course.starts > 0:
            look.facts["since_start"] = look.seen.occurred_at - course.starts
        if batch.wants("course_categories"):
            categories = await batch.answers.categories()
            if categories is not None and course.category in categories:
                look.facts["course_categories"] = _named(categories, course.category)


async def _id_number(batch: Batch, look: Look, course: Course) -> str | None:
    if course.id_number is not None or look.learner is None:
        return course.id_number
    return await batch.answers.id_number(course.id, look.learner)


def _named(categories: dict[int, tuple[str, tuple[int, ...]]], category: int) -> tuple[str, ...]:
    """Each category on the way by its own name and by its path from the top (`A / B`), once each."""
    names = [categories[one][0] for one in categories[category][1] if one in categories]
    paths = (" / ".join(names[: depth + 1]) for depth in range(len(names)))
    return tuple(dict.fromkeys((*names, *paths)))
