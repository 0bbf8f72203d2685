"""By course: how far those come who enter it, what is done in time, and which posts are constructive."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

from agent.measures.figures import share
from agent.measures.past import Past, Place

SOME_LESSONS = 3
_OF_WHOM = {
    "entered": ("enrolled", "some", "through", "completed"),
    "workers": ("timed", "in_time"),
    "posters": ("posts", "praised"),
}
"""By whom each figure is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One course (empty: acts of none), or some of them together.

    ``entered`` are those who were enrolled or first seen there in the span, ``enrolled`` of them by an enrolment that
    is recorded; ``some`` of ``entered`` have completed three lessons by now, ``through`` of these the course, and
    ``completed`` of ``entered`` it in all. Of ``timed`` acts of the span, by ``workers``, ``in_time`` were; of
    ``posts`` by ``posters`` so many are ``praised``.
    """

    course: str
    entered: int = 0
    enrolled: int = 0
    some: int = 0
    through: int = 0
    completed: int = 0
    workers: int = 0
    timed: int = 0
    in_time: int = 0
    posters: int = 0
    posts: int = 0
    praised: int = 0

    @property
    def some_pct(self) -> Fraction | None:
        """Of a hundred who entered, how many have completed three lessons."""
        return share(self.some, self.entered)

    @property
    def through_pct(self) -> Fraction | None:
        """Of a hundred with three lessons, how many have completed the course."""
        return share(self.through, self.some)

    @property
    def completed_pct(self) -> Fraction | None:
        """Of a hundred who entered, how many have completed the course."""
        return share(self.completed, self.entered)

    @property
    def in_time_pct(self) -> Fraction | None:
        """Of a hundred acts with a window, how many were within it."""
        return share(self.in_time, self.timed)

    @property
    def praised_pct(self) -> Fraction | None:
        """Of a hundred posts, how many are constructive."""
        return share(self.praised, self.posts)


def courses(past: Past) -> tuple[Course, ...]:
    """Each course in which something of the span was, by its name."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for mine in past.learners.values():
        lessons = Counter(map(past.course_of, mine.lessons))
        for course, place in mine.places.items():
            if place.first >= past.first:
                found[course].update(_entered(place, lessons[course]))
        timed = [(course, in_time) for _, in_time, day, course in mine.timed.values() if past.first <= day]
        for course, in_time in timed:
            found[course].update(timed=1, in_time=in_time)
        for course in {course for course, _ in timed}:
            found[course].update(workers=1)
    posters: set[tuple[str, str]] = set()
    for course, learner, praised in past.posts():
        found[course].update(posts=1, praised=praised, posters=(course, learner) not in posters)
        posters.add((course, learner))
    return tuple(Course(course=course, **counts) for course, counts in sorted(found.items()))


def _entered(place: Place, lessons: int) -> dict[str, int]:
    some = lessons >= SOME_LESSONS
    return {
        "entered": 1,
        "enrolled": place.enrolled > 0,
        "some": some,
        "through": some and place.completed > 0,
        "completed": place.completed > 0,
    }


def shown(one: Course, least: int) -> Course:
    """A course without what is of fewer than ``least`` learners, so that nobody finds that in a sum."""
    left: dict[str, Any] = {}
    for count, figures in _OF_WHOM.items():
        if getattr(one, count) < least:
            left |= dict.fromkeys((count, *figures), 0)
    return replace(one, **left)


def together(some: Iterable[Course]) -> Course:
    """The sums of some courses: a learner in two of them entered twice."""
    total: Counter[str] = Counter()
    for one in some:
        total.update({name: count for name, count in asdict(one).items() if name != "course"})
    return Course(course="", **total)
