"""One look at a site's web services: does the token work, what does the service hold, what may its user see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.collectors.moodlews import shapes
from agent.collectors.moodlews.answers import enrolled_options
from agent.collectors.moodlews.client import Parameter, WebService
from agent.collectors.moodlews.faults import LACKS_RIGHT, NotToldError
from agent.collectors.moodlews.needs import NAMES, SITE_INFO, Need, wanted
from agent.collectors.moodlews.typed import NotUnderstoodError
from agent.collectors.systems.moodle import SITE_COURSE
from agent.errors import ConfigError

T = TypeVar("T")
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
            hint=f"has the token expired, may it be used from here, and does the service hold {SITE_INFO}?",
        ) from error
    facts = frozenset(facts) | ({"cohorts"} if service.options.agreed_cohorts else set())
    facts |= {NAMES} if service.options.names else set()
    held = shapes.functions_of(info)
    lacking = [
        Lack(need=need, refused="not in the service")
        for need in wanted(facts, kinds)
        if held.isdisjoint({need.function, need.instead}) and not need.elsewhere
    ]
    seen = await _tried(service, "core_course_get_courses_by_field", shapes.courses_of)
    courses = sorted((seen[0] or {}).keys() - {SITE_COURSE})
    missing = {lack.need.function for lack in lacking}
    if courses:
        for need in wanted(facts, kinds):
            refused = "" if need.function in missing else await _refused(service, need, courses[-1])
            if refused:
                lacking.append(Lack(need=need, refused=refused))
    return SiteProbe(
        release=str(info.get("release", "unknown"))[:40],
        courses=len(courses),
        lacking=tuple(lacking),
        writing=tuple(sorted(name for name in held if "_get_" not in name and _WRITES.search(name))),
    )


async def _refused(service: WebService, need: Need, course: int) -> str:
    """Moodle's code where a function that can be tried on a course alone is refused; else empty."""
    if need.function == "core_course_get_contents":
        return (await _tried(service, need.function, lambda _: None, courseid=course))[1]
    if need.function == _ENROLLED:
        return (await _one_enrolled(service, course))[1]
    if need.function in _OF_COURSES:
        return (await _tried(service, need.function, lambda _: None, courseids=[course]))[1]
    if need.function in _OF_LEARNERS:
        enrolled, _ = await _one_enrolled(service, course)
        learner = next(iter(enrolled or ()), None)
        if learner is not None:
            return (await _tried(service, need.function, lambda _: None, courseid=course, userid=learner))[1]
    return ""


async def _one_enrolled(service: WebService, course: int) -> tuple[dict[int, tuple[str, ...]] | None, str]:
    options = enrolled_options(0, 1)
    return await _tried(service, _ENROLLED, shapes.enrolled_of, courseid=course, options=options)


_ENROLLED = "core_enrol_get_enrolled_users"
_OF_COURSES = frozenset(
    {"mod_quiz_get_quizzes_by_courses", "mod_forum_get_forums_by_courses", "mod_assign_get_assignments"}
)
_OF_LEARNERS = frozenset(
    {
        "core_completion_get_activities_completion_status",
        "core_completion_get_course_completion_status",
        "gradereport_user_get_grade_items",
    }
)


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
