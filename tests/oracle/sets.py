"""A plain reading of what several acts earn together: streaks, firsts, comebacks, crossings, programmes, levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from tests.oracle.days import Days, duration

DAY = timedelta(days=1)
LEVEL, LEVEL_FROM = "Regular", 6
"""A level, and how much reputation it begins at; a lesson brings 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A lesson, with how far its section was then, or a course's total; ``enrolled`` seconds after the enrolment."""

    at: int
    who: str
    kind: str
    course: str
    section: str
    progress: int | None
    score: int | None
    enrolled: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """What the forms of one rules file say: lengths and marks, and the institution's closed days, both included."""

    streak: int
    in_week: int
    spaced: tuple[int, int]
    comeback: int
    crosses: int
    within: Mapping[str, str]
    pass_mark: int
    programme: Sequence[str]
    closed: tuple[date, date]


def awards(forms: Forms, steps: Sequence[Step], days: Days) -> dict[str, int]:
    """How often each rule pays one learner for all their acts, which came in the order of their times."""
    lessons = [step for step in steps if step.kind == "lesson.completed"]
    told = sorted({days.day(step.at) for step in lessons} - set(_closed(forms)))
    return {
        "reputation": 2 * len(lessons),
        "first": min(1, len(lessons)),
        "first-course": len({step.course for step in lessons}),
        "row": len(_rows(forms, told)),
        "row-once": min(1, len(_rows(forms, told))),
        "week": sum(_in_week(told, monday, days) >= forms.in_week for monday in {_monday(day, days) for day in told}),
        "spaced": sum(_is_spaced(forms, lessons, course, days) for course in {step.course for step in lessons}),
        "comeback": _comebacks(forms, sorted({days.day(step.at) for step in lessons})),
        "crosses": len({(step.course, step.section) for step in lessons if (step.progress or 0) >= forms.crosses}),
        "in-time": sum(_in_time(forms, step) for step in lessons),
        "programme": int(all(_passed(forms, steps, course) for course in forms.programme)),
        "senior": sum(2 * number >= LEVEL_FROM for number in range(1, len(lessons) + 1)),
    }


def _closed(forms: Forms) -> list[date]:
    first, last = forms.closed
    return [first + number * DAY for number in range((last - first) // DAY + 1)]


def _rows(forms: Forms, told: Sequence[date]) -> list[date]:
    """The days on which so many in a row were full, one row after the other; closed days break none."""
    found, length, before = [], 0, None
    for day in told:
        missed = 0 if before is None else _open_between(forms, before, day)
        length = 1 if missed or before is None else length + 1
        before = day
        if length == forms.streak:
            found.append(day)
            length, before = 0, None
    return found


def _open_between(forms: Forms, before: date, after: date) -> int:
    between = [before + number * DAY for number in range(1, (after - before) // DAY)]
    return sum(day not in _closed(forms) for day in between)


def _monday(day: date, days: Days) -> date:
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    return day - (day.weekday() - names.index(days.week)) % 7 * DAY


def _in_week(told: Sequence[date], monday: date, days: Days) -> int:
    return sum(_monday(day, days) == monday for day in told)


def _is_spaced(forms: Forms, lessons: Sequence[Step], course: str, days: Days) -> bool:
    """So many days, each far enough after the one that counted before it."""
    needed, apart = forms.spaced
    counted: list[date] = []
    for day in sorted({days.day(step.at) for step in lessons if step.course == course}):
        if not counted or day - counted[-1] >= apart * DAY:
            counted.append(day)
    return len(counted) >= needed


def _comebacks(forms: Forms, told: Sequence[date]) -> int:
    gaps = [_open_between(forms, before, after) for before, after in pairwise(told)]
    return sum(gap >= forms.comeback for gap in gaps)


def _in_time(forms: Forms, step: Step) -> bool:
    allowed = forms.within.get(step.course, forms.within["default"])
    return step.enrolled is not None and step.enrolled <= duration(allowed)


def _passed(forms: Forms, steps: Sequence[Step], course: str) -> bool:
    mine = [step for step in steps if step.kind == "course.graded" and step.course == course]
    return any(step.score is not None and step.score >= forms.pass_mark for step in mine)
