"""When and for whom a rule applies: `active` and `audience` as closures that return a reason, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from agent.config.factentry import PERSON
from agent.config.grammar import WEEKDAYS, Number
from agent.config.rulefile import Challenge, Placed, Rule, Scheduled
from agent.config.rulefile.tables.condition import Active, Audience
from agent.engine.calendar import Calendar
from agent.model import Observation, Selector

When = Callable[[int], str | None]
"""Seconds UTC → why the rule is not active then, or None."""

Whom = Callable[[Observation, str], "Outside | None"]
"""(observation, LMS user id of the recipient) → why that person in that course is outside the audience, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """``reason`` such as `audience: courses`; ``unknown_roles`` where the LMS would not tell, which holds.

    ``unknown`` says that what the audience asks for was not there: a later sighting that brings it is judged anew.
    """

    reason: str
    unknown_roles: bool = False
    unknown: bool = False


def active(spec: Active, calendars: Callable[[str], Calendar], calendar: Calendar) -> When:
    """The span of days, the weekdays and the hours of a rule, all by the day and the clock of its zone.

    ``calendars`` gives the institution's calendar in another zone.
    """
    own = calendars(spec.zone.key) if spec.zone is not None else calendar
    first, last, span = spec.from_, spec.until, spec.hours
    weekdays = frozenset(spec.days) if spec.days is not None else None

    def when(at: int) -> str | None:
        moment = own.moment(at)
        if first is not None and moment.date < first:
            return f"active: before {first.isoformat()}"
        if last is not None and moment.date > last:
            return f"active: after {last.isoformat()}"
        if weekdays is not None and moment.weekday not in weekdays:
            return f"active: not on {WEEKDAYS[moment.weekday]}"
        if span is not None and not _within(own.time_of_day(at), *span):
            return f"active: outside {_clock(span[0])}-{_clock(span[1])}"
        return None

    return when


def _within(time_of_day: int, begin: int, end: int) -> bool:
    """The end is excluded; a span whose end is not after its begin crosses midnight."""
    if begin < end:
        return begin <= time_of_day < end
    return time_of_day >= begin or time_of_day < end


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"


_SELECTED_BY = {"idnumber": "course_idnumber", "id": "course_id"}
_ALWAYS = "course_shortname"
"""What every course has."""
_UNTOLD = frozenset({"unconfirmed", "partial"})
"""Marks of an event that may have a course which it does not say."""


def audience(spec: Audience) -> Whom:
    """Every key given must fit; a fact that is not there does not, except that unknown roles hold.

    What certainly does not fit is told before what is unknown: nothing that comes later changes that.
    """
    tests: list[Whom] = []
    if spec.courses is not None:
        tests.append(_courses(spec.courses))
    if spec.categories is not None:
        tests.append(
            _among("categories", frozenset(spec.categories), lambda seen, _: seen.facts.get("course_categories"))
        )
    if spec.cohorts is not None:
        tests.append(_among("cohorts", frozenset(spec.cohorts), lambda seen, user: seen.facts.get(f"cohorts:{user}")))
    if spec.except_roles is not None:
        tests.append(_except_roles(frozenset(spec.except_roles)))

    def whom(seen: Observation, user: str) -> Outside | None:
        worst: Outside | None = None
        for test in tests:
            outside = test(seen, user)
            if outside is not None and not (outside.unknown_roles or outside.unknown):
                return outside
            if worst is None or (outside is not None and worst.unknown_roles):
                worst = outside
        return worst

    return whom


def audience_facts(spec: Audience) -> Iterable[str]:
    """The facts an audience needs."""
    for selector in spec.courses or ():
        prefix, colon, _ = selector.partition(":")
        by = _SELECTED_BY.get(prefix, _ALWAYS) if colon else _ALWAYS
        yield by
        if by == "course_idnumber":  # a course without one has its short name all the same: so we know that we know it
            yield _ALWAYS
    if spec.categories is not None:
        yield "course_categories"
    if spec.cohorts is not None:
        yield "cohorts"
    if spec.except_roles is not None:
        yield "roles"


def selectors(placed: Placed[Rule] | Placed[Challenge] | Placed[Scheduled]) -> Iterable[Selector]:
    """Every name that a rule's audience gives to something in the LMS, with its place in the file."""
    spec = placed.it.audience
    if spec is None or placed.it.mode == "off":
        return
    named: tuple[tuple[Literal["courses", "categories", "cohorts", "roles"], str, tuple[str, ...] | None], ...] = (
        ("courses", "courses", spec.courses),
        ("categories", "categories", spec.categories),
        ("cohorts", "cohorts", spec.cohorts),
        ("roles", "except_roles", spec.except_roles),
    )
    for by, key, names in named:
        for number, name in enumerate(names or ()):
            place = placed.fault("", at=("audience", key, number))
            yield Selector(by=by, name=name, where=f"{place.file}:{place.line}:{place.column}", of=placed.it.id)


def valued(values: Mapping[str, Placed[Mapping[str, Number]]]) -> Iterable[Selector]:
    """The courses for which a value has a number of their own."""
    for name, placed in values.items():
        for course in placed.it:
            if course != "default":
                place = placed.fault("", at=(course,))
                where = f"{place.file}:{place.line}:{place.column}"
                yield Selector(by="courses", name=course, where=where, of=f"value {name}")


def profiled(profile: Mapping[str, Placed[str]], wanted: Container[str]) -> Iterable[Selector]:
    """The profile fields of which anything is ``wanted``, by role or fact."""
    for name, placed in profile.items():
        if name in wanted:
            place = placed.fault("")
            where = f"{place.file}:{place.line}:{place.column}"
            yield Selector(by="profile fields", name=placed.it, where=where, of=f"person {name.removeprefix(PERSON)}")


def course_of(selector: str) -> Callable[[Observation], bool]:
    """Whether an event is in the course of that name: a short name, `idnumber:…` or `id:…`."""
    whom = _courses((selector,))
    return lambda seen: whom(seen, "") is None


def _courses(selectors: Iterable[str]) -> Whom:
    wanted: dict[str, set[str]] = {}
    for selector in selectors:
        prefix, colon, rest = selector.partition(":")
        by = _SELECTED_BY.get(prefix) if colon else None
        wanted.setdefault(by or _ALWAYS, set()).add(rest if by else selector)
    no, unknown = Outside(reason="audience: courses"), Outside(reason="audience: courses", unknown=True)
    looked_up = not wanted.keys() <= {"course_id"}

    def whom(seen: Observation, _user: str) -> Outside | None:
        facts: Mapping[str, object] = seen.facts
        for fact, values in wanted.items():
            value = facts.get(fact)
            if value is None and fact == "course_id":
                value = seen.course
            if value in values:
                return None
        return unknown if _untold(seen, _ALWAYS if looked_up else None) else no

    return whom


def _untold(seen: Observation, fact: str | None) -> bool:
    """Whether the event's course was not said, or was and the ``fact`` about it was not there."""
    if seen.course is None:
        return not _UNTOLD.isdisjoint(seen.marks)
    return fact is not None and fact not in seen.facts


def _among(key: str, wanted: frozenset[str], of: Callable[[Observation, str], object]) -> Whom:
    no, unknown = Outside(reason=f"audience: {key}"), Outside(reason=f"audience: {key}", unknown=True)

    def whom(seen: Observation, user: str) -> Outside | None:
        value = of(seen, user)
        if isinstance(value, tuple):
            return no if wanted.isdisjoint(value) else None
        return unknown if key == "cohorts" or _untold(seen, "course_categories") else no

    return whom


def _except_roles(excluded: frozenset[str]) -> Whom:
    no = Outside(reason="audience: except_roles")
    unknown = Outside(reason="roles unknown", unknown_roles=True)

    def whom(seen: Observation, user: str) -> Outside | None:
        value = seen.facts.get(f"roles:{user}")
        if not isinstance(value, tuple):
            return unknown
        return None if excluded.isdisjoint(value) else no

    return whom
