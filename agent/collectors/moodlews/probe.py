"""One look at a site's web services: does the token work, what does the service hold, what may its user see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.collectors.moodlews import shapes
from agent.collectors.moodlews.answers import (
    CONTENTS,
    COURSE_STATUS,
    COURSES,
    ENROLLED,
    GRADE_ITEMS,
    STATUSES,
    enrolled_options,
)
from agent.collectors.moodlews.client import Parameter, WebService
from agent.collectors.moodlews.faults import LACKS_RIGHT, NotToldError
from agent.collectors.moodlews.needs import NAMES, SITE_INFO, Need, wanted
from agent.collectors.moodlews.typed import NotUnderstoodError
from agent.collectors.systems.moodle import SITE_COURSE
from agent.errors import ConfigError

T = TypeVar("T")
COURSES_TRIED = 10
"""Of so many courses the first that has a learner is what functions are tried on."""
PEOPLE_TRIED = 50
NOBODY = "no learner is told in any of the newest courses (right only where nobody is enrolled yet)"
"""Instead of a code: who may not see people is told of the teachers whom a course shows, and refused nothing."""
_WRITES = re.compile(r"_(?:create|update|delete|add|set|submit|save|import|upload|enrol|unenrol|assign|unassign|send)_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A function that does not answer: it is not in the service, or its user may not see what it tells."""

    need: Need
    refused: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteProbe:
    """What was found: how many ``courses`` the user sees, what rules need is ``lacking``, what can write."""

    release: str
    courses: int
    lacking: tuple[Lack, ...]
    writing: tuple[str, ...]


async def probe(service: WebService, facts: Iterable[str], kinds: Iterable[str]) -> SiteProbe:
    """Look at a site, with a few requests, for what rules with these facts and kinds need.

    Raises:
        ConfigError: the token, the service or the address is wrong.
        TransientError: the site does not answer.
    """
    try:
        info = await service.call(SITE_INFO)
    except NotToldError as error:
        raise ConfigError(
            f"{service.options.place}: Moodle refuses the token or its service: {error.code}",
            hint="is the service enabled, is its user among the authorised ones, has the token expired, may it be used"
            f" from here, and does the service hold {SITE_INFO}?",
        ) from error
    facts = frozenset(facts) | ({"cohorts"} if service.options.agreed_cohorts else set())
    facts |= {NAMES} if service.options.names else set()
    held = shapes.functions_of(info)
    lacking = [
        Lack(need=need, refused="not in the service")
        for need in wanted(facts, kinds)
        if held.isdisjoint({need.function, need.instead}) and not need.elsewhere
    ]
    seen = await _tried(service, COURSES, shapes.courses_of)
    courses = {number: course for number, course in (seen[0] or {}).items() if number != SITE_COURSE}
    missing = {lack.need.function for lack in lacking}
    sample = await _sample(service, courses)
    for need in wanted(facts, kinds):
        refused = "" if sample is None or need.function in missing else await _refused(service, need, sample)
        if refused:
            lacking.append(Lack(need=need, refused=refused))
    return SiteProbe(
        release=str(info.get("release", "unknown"))[:40],
        courses=len(courses),
        lacking=tuple(lacking),
        writing=tuple(sorted(name for name in held if "_get_" not in name and _WRITES.search(name))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """A course to try functions on, and a learner in it; ``refused`` is why nobody is told."""

    course: shapes.Course
    learner: int | None
    refused: str


async def _sample(service: WebService, courses: Mapping[int, shapes.Course]) -> _Sample | None:
    """Of the newest courses the first that has a learner, those with completion tracking before others."""
    samples = []
    options, staff = enrolled_options(0, PEOPLE_TRIED), service.options.staff_roles
    for number in sorted(courses, key=lambda one: (courses[one].tracks, one), reverse=True)[:COURSES_TRIED]:
        told, refused = await _tried(service, ENROLLED, shapes.enrolled_of, courseid=number, options=options)
        learner = next((one for one, roles in (told or {}).items() if staff.isdisjoint(roles)), None)
        samples.append(_Sample(course=courses[number], learner=learner, refused=refused))
        if learner is not None or refused:
            return samples[-1]
    return samples[0] if samples else None


async def _refused(service: WebService, need: Need, sample: _Sample) -> str:
    """Moodle's code where a function that can be tried on a course alone is refused; else empty."""
    course, function = sample.course.id, need.function
    if function == ENROLLED:
        return sample.refused or ("" if sample.learner is not None else NOBODY)
    if function == CONTENTS:
        return (await _tried(service, function, lambda _: None, courseid=course))[1]
    if function in _OF_COURSES:
        return (await _tried(service, function, lambda _: None, courseids=[course]))[1]
    if sample.learner is None or (function in _OF_COMPLETION and not sample.course.tracks):
        return ""
    if function in _OF_LEARNERS:
        return (await _tried(service, function, lambda _: None, courseid=course, userid=sample.learner))[1]
    return ""


_OF_COURSES = frozenset(
    {"mod_quiz_get_quizzes_by_courses", "mod_forum_get_forums_by_courses", "mod_assign_get_assignments"}
)
_OF_COMPLETION = frozenset({STATUSES, COURSE_STATUS})
"""What there is nothing to tell of, and so refused, in a course without completion tracking."""
_OF_LEARNERS = _OF_COMPLETION | {GRADE_ITEMS}


async def _tried(
    service: WebService, function: str, read: Callable[[Any], T], **parameters: Parameter
) -> tuple[T | None, str]:
    """What it tells, and the code with which it refuses; nothing to tell is no refusal."""
    try:
        return read(await service.call(function, **parameters)), ""
    except NotToldError as error:
        return None, error.code if error.whole or error.code in LACKS_RIGHT else ""
    except NotUnderstoodError:
        return None, "an answer of another structure"
