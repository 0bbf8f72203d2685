"""What is kept of acts while they are gone through once: by learner, never act by act. In any order it is the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sys import intern

from agent.measures.act import COMPLETED, ENROLLED, LESSON, POSTED, UNPOSTED, Act

Timed = tuple[int, bool, int, str]
"""(at, whether in time, day, course) of what was first done about one thing."""


class Place:
    """One learner in one course: the first day there, that of an enrolment and of the completion; 0 is none."""

    __slots__ = ("completed", "enrolled", "first")

    def __init__(self, day: int) -> None:
        self.first = day
        self.enrolled = 0
        self.completed = 0


class Learner:
    """What one learner did: the first and the last day, and lessons by the day on which each was first completed.

    ``days`` has a bit for each day of the span on which they did something themselves, its first day being bit 0.
    """

    __slots__ = ("days", "enrolled", "first", "last", "lessons", "places", "timed")

    def __init__(self, day: int) -> None:
        self.first = self.last = day
        self.enrolled = 0
        self.days = 0
        self.lessons: dict[str, int] = {}
        self.places: dict[str, Place] = {}
        self.timed: dict[str, Timed] = {}

    @property
    def started(self) -> int:
        """The day of the first enrolment, else that of the first act."""
        return self.enrolled or self.first


class Past:
    """All learners, as of a span of days (both ends included): what is after it is not looked at.

    Kept are a few numbers for each learner, course of theirs and lesson of theirs, however many acts there were.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self.learners: dict[str, Learner] = {}
        self.kinds: set[str] = set()
        self._posts: dict[str, tuple[int, str, str]] = {}
        self._gone: set[str] = set()
        self._praised: set[str] = set()
        self._days: dict[int, int] = {}
        self._courses: dict[str, str] = {}

    def add(self, acts: Iterable[Act]) -> None:
        """Take acts, in any order and as often as they are told."""
        for act in acts:
            if act.day <= self.last:
                self.kinds.add(act.kind)
                self._take(act)

    def _take(self, act: Act) -> None:
        if act.kind in UNPOSTED:
            self._gone.add(act.what)
            return
        if act.praised:
            self._praised.add(act.what)
        mine = self.learners.get(act.learner)
        if mine is None:
            mine = self.learners[act.learner] = Learner(act.day)
        mine.first, mine.last = min(mine.first, act.day), max(mine.last, act.day)
        if act.own and act.day >= self.first:
            mine.days |= 1 << (act.day - self.first)
        if act.course:
            _take_place(mine, act)
        if act.kind == LESSON:
            self._take_lesson(mine, act)
        elif act.kind == ENROLLED:
            mine.enrolled = _earlier(mine.enrolled, act.day)
        elif act.kind == POSTED:
            found = (act.day, act.course, act.learner)
            self._posts[act.what] = min(self._posts.get(act.what, found), found)
        if act.in_time is not None:
            timed = (act.at, act.in_time, act.day, act.course)
            thing = f"{act.kind} {act.what}"
            mine.timed[thing] = min(mine.timed.get(thing, timed), timed)

    def _take_lesson(self, mine: Learner, act: Act) -> None:
        day = min(mine.lessons.get(act.what, act.day), act.day)
        mine.lessons[intern(act.what)] = self._days.setdefault(day, day)
        if act.course:
            self._courses[act.what] = min(self._courses.get(act.what, act.course), act.course)

    def course_of(self, lesson: str) -> str:
        """The course that a lesson is in, where that was told."""
        return self._courses.get(lesson, "")

    def posts(self) -> Iterator[tuple[str, str, bool]]:
        """Of each post of the span that still stands its course, its author, and whether it is constructive."""
        for post, (day, course, learner) in self._posts.items():
            if post not in self._gone and self.first <= day:
                yield course, learner, post in self._praised


def _take_place(mine: Learner, act: Act) -> None:
    place = mine.places.get(act.course)
    if place is None:
        place = mine.places[intern(act.course)] = Place(act.day)
    place.first = min(place.first, act.day)
    if act.kind == ENROLLED:
        place.enrolled = _earlier(place.enrolled, act.day)
    elif act.kind == COMPLETED:
        place.completed = _earlier(place.completed, act.day)


def _earlier(known: int, day: int) -> int:
    return min(known, day) if known else day
