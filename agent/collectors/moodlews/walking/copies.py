"""What a restore copied, told from what learners did: by when the activity or the course was not there yet. Pure.

Web services tell no restore, and a restored course keeps the times of the original in everything. Its numbers are new:
Moodle numbers courses and activities as they are made. So each walk through a site leaves a mark, the highest numbers
that were there. What is said to have happened in an activity before it was there was copied with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.model import Anchor

MARKS_MAX = 500
"""Marks of each sort that are kept; what is older than the oldest is doubtful."""

_FIRST = "first"
"""The mark that says since when we look; its position is 0."""

Sort = Literal["module", "course"]
Verdict = Literal["original", "doubtful", "copied"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is said to have happened; ``lesson`` None is the course itself."""

    course: int
    lesson: int | None


def verdict(place: Place, at: int, anchors: Sequence[Anchor]) -> Verdict:
    """Whether what is said to have happened ``at`` a time in a place did happen there.

    In a course that was not there it did not. In an activity that was not there, of a course that was, it is doubtful:
    it may only have been hidden from us. So is all that happened before we first looked.
    """
    if at <= absent_at("course", place.course, anchors):
        return "copied"
    if place.lesson is not None and at <= absent_at("module", place.lesson, anchors):
        return "doubtful"
    return "doubtful" if at <= _first(anchors) else "original"


def absent_at(sort: Sort, number: int, anchors: Iterable[Anchor]) -> int:
    """When it was last seen that the number was not there yet; 0 where it always was."""
    return max((one.occurred_at for one in anchors if one.lms_event == sort and abs(one.position) < number), default=0)


def _first(anchors: Iterable[Anchor]) -> int:
    """When we first looked: of what was before we know no numbers."""
    return next((one.occurred_at for one in anchors if one.lms_event == _FIRST), 2**62)


def marked(anchors: Sequence[Anchor], *, modules: Iterable[int], courses: Iterable[int], at: int) -> tuple[Anchor, ...]:
    """The marks after a walk that began ``at`` a time and saw these numbers."""
    first = min(_first(anchors), at)
    return (
        Anchor(position=0, lms_event=_FIRST, user=0, occurred_at=first),
        *_marked(anchors, "course", courses, at),
        *_marked(anchors, "module", modules, at),
    )


def _marked(anchors: Iterable[Anchor], sort: Sort, numbers: Iterable[int], at: int) -> list[Anchor]:
    mine = sorted((one for one in anchors if one.lms_event == sort), key=lambda one: one.occurred_at)
    last = abs(mine[-1].position) if mine else 0
    highest = max(numbers, default=0)
    if highest > last:
        return [*mine[-(MARKS_MAX - 1) :], _mark(sort, highest, at)]
    # Still nothing above it: the same mark, seen later.
    return [*mine[:-1], _mark(sort, last, at)] if mine else []


def _mark(sort: Sort, number: int, at: int) -> Anchor:
    """Anchors are kept by their position: courses stand below zero."""
    return Anchor(position=-number if sort == "course" else number, lms_event=sort, user=0, occurred_at=at)
