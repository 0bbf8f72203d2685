"""How much of a section and of a course the learner had completed at the time of the act, as Moodle counts it."""

from __future__ import annotations

from collections.abc import Iterable

from agent.collectors.moodlews.facts.batch import Batch, Look, number_of, per_cent
from agent.collectors.moodlews.shapes import DONE, Module, Status
from agent.collectors.systems.moodle import COMPLETION

_SECTION = "section_progress_pct"
_COURSE = "course_progress_pct"
_COMPLETED = "lesson.completed"


async def progress(batch: Batch) -> None:
    """Add section and course progress, counting completions that are not later than the act."""
    for look in batch.looks:
        wanted = batch.wanted_of(look, _SECTION) or batch.wanted_of(look, _COURSE)
        if wanted and look.course is not None and look.learner is not None:
            await _of(batch, look, look.course, look.learner)


async def _of(batch: Batch, look: Look, course: int, learner: int) -> None:
    statuses = await batch.answers.statuses(course, learner)
    if statuses is None:
        return
    if look.seen.lms_event == COMPLETION and look.kind == _COMPLETED and not _is_there(look, statuses):
        batch.owe(look)  # posted from a transaction that is not over yet: without the act itself it would be too little
        return
    if batch.wanted_of(look, _SECTION) and look.section is not None:
        modules = await batch.answers.modules(course)
        if modules is not None:
            _note(look, _SECTION, _inside(modules, int(look.section), statuses))
    if batch.wanted_of(look, _COURSE):
        since = await batch.answers.completed(course, learner)
        if since is not None and since <= look.seen.occurred_at:
            look.facts[_COURSE] = 100
        else:
            _note(look, _COURSE, statuses.values())


def _is_there(look: Look, statuses: dict[int, Status]) -> bool:
    status = statuses.get(number_of(look.lesson) or 0)
    return status is not None and _by_then(status, look.seen.occurred_at)


def _inside(modules: dict[int, Module], section: int, statuses: dict[int, Status]) -> list[Status]:
    return [statuses[number] for number, module in modules.items() if module.section == section and number in statuses]


def _note(look: Look, name: str, tracked: Iterable[Status]) -> None:
    there = list(tracked)
    if there:
        done = sum(1 for status in there if _by_then(status, look.seen.occurred_at))
        look.facts[name] = per_cent(done, len(there))


def _by_then(status: Status, time: int) -> bool:
    return status.state in DONE and 0 < status.at <= time
