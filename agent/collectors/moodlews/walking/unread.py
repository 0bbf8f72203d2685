"""Since when something was not told to us: a sort of acts anywhere, in a course, or of one of its learners. Pure.

A right may be missing for a function, for a course that is hidden, or for learners of other groups. What happened there
meanwhile is found once it is told: the walk goes back to the mark of that place, and of no other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from agent.collectors.systems.moodle import RATED
from agent.collectors.unsure import unread_since
from agent.engine.sighting.untold import COMPLETED, COMPLETION, GRADED

UNREAD_MAX = 1_000
"""Marks that are kept; where there are more, those of learners become one of their course, and courses one of all."""
_NAMED: Mapping[str, str] = MappingProxyType(
    {COMPLETION: "completions", COMPLETED: "course_completions", GRADED: "grades", RATED: "ratings"}
)
_SORTS: Mapping[str, str] = MappingProxyType({name: sort for sort, name in _NAMED.items()})
_COUNT = re.compile(rf"({'|'.join(_SORTS)}){unread_since('')}(?:_in_([0-9]+)(?:_of_([0-9]+))?)?")

Place = tuple[int, int]
"""A course and a learner of it; 0 is all of them."""
EVERYWHERE: Place = (0, 0)
_Marks = dict[tuple[str, Place], int]


class Unread:
    """What was not told before a walk (``counts`` of the source's state), and in it; ``since`` is where it begins."""

    __slots__ = ("_answered", "_before", "_refused", "_since")

    def __init__(self, counts: Mapping[str, int], since: int) -> None:
        self._since = since
        self._before = _marks_in(counts)
        self._refused: dict[str, set[Place]] = {}
        self._answered: dict[str, set[Place]] = {}

    def since(self, sort: str, course: int, learner: int) -> int:
        """After when acts of a sort are new there."""
        places = {EVERYWHERE, (course, 0), (course, learner)}
        return min(self._before.get((sort, place), self._since) for place in places)

    def asked(self, sort: str, place: Place, *, refused: bool) -> None:
        """Acts of a sort were asked for in a place."""
        (self._refused if refused else self._answered).setdefault(sort, set()).add(place)

    def over(self, counts: Mapping[str, int], courses: Collection[int]) -> dict[str, int]:
        """The counts after a walk through ``courses``. What nobody asked for any more is dropped."""
        marks: _Marks = {}
        for sort in self._refused.keys() | self._answered.keys():
            marks |= {(sort, place): at for place, at in self._still(sort).items()}
        gone = {
            (sort, place): at
            for (sort, place), at in self._before.items()
            if sort in self._refused.keys() | self._answered.keys() and place[0] and place[0] not in courses
        }
        if len(marks) + len(gone) <= UNREAD_MAX:
            marks |= gone  # of others it is to be feared that they are deleted
        kept = {name: count for name, count in counts.items() if not _COUNT.fullmatch(name)}
        return kept | {_name(sort, place): at for (sort, place), at in _bounded(marks).items()}

    def _still(self, sort: str) -> dict[Place, int]:
        refused, answered = self._refused.get(sort, set()), self._answered.get(sort, set())
        marks: dict[Place, int] = {}
        open_to_us = {course for course, _ in answered}
        for course, learner in refused:
            place = (course, learner if course in open_to_us else 0)
            marks[place] = min(self.since(sort, course, learner), marks.get(place, self._since))
        if refused and not answered:
            everywhere = self._before.get((sort, EVERYWHERE), self._since)
            marks = {place: at for place, at in marks.items() if at < everywhere} | {EVERYWHERE: everywhere}
        return marks


def _bounded(marks: _Marks) -> _Marks:
    for wider in (lambda place: (place[0], 0), lambda _: EVERYWHERE):
        if len(marks) <= UNREAD_MAX:
            break
        found: _Marks = {}
        for (sort, place), at in marks.items():
            key = (sort, wider(place))
            found[key] = min(at, found.get(key, at))
        marks = found
    return marks


def _marks_in(counts: Mapping[str, int]) -> _Marks:
    found = ((_COUNT.fullmatch(name), at) for name, at in counts.items())
    return {(_SORTS[read[1]], (int(read[2] or 0), int(read[3] or 0))): at for read, at in found if read}


def _name(sort: str, place: Place) -> str:
    """`completions_unread_since`, `…_in_12`, `…_in_12_of_35`."""
    parts: Iterable[str] = (f"_{word}_{number}" for word, number in zip(("in", "of"), place, strict=True) if number)
    return unread_since(_NAMED[sort]) + "".join(parts)
