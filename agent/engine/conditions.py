"""Conditions as closures: three answers (met, not met, unknown), compared exactly, the guilty fact named.

A fact that is not there is unknown. A condition on it is not met; under `[[deny]]` and `none` it holds the decision,
because paying first and denying later cannot be undone quietly. `if_unknown` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar, cast

from agent.config.comparison import Comparison, Plain, ValueRef
from agent.config.factentry import PERSON
from agent.config.facts import FACTS
from agent.config.grammar import Number, is_length, is_number, number, quantity, shown_duration, shown_number
from agent.config.rulefile import Conditions
from agent.config.rulefile.warn import OWN_FACTS
from agent.model import Check, CheckStatus, Fact, Observation

T = TypeVar("T")
Values = Mapping[str, Mapping[str, Number]]
"""`[value.NAME]`: `default` and course short names → number (durations in seconds)."""

_DURATIONS = frozenset(entry.name for entry in FACTS if entry.unit == "s")
"""Facts that are a length of time, in seconds."""
_SEEN_MAX = 512
"""A leaf remembers what it said about so many values of its fact; facts of a campus repeat."""

_COURSES_MAX = 8
"""So many courses with a value of their own are named in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """Why conditions are not met (``holds`` False), or why it cannot be said (True). ``text`` is the reason.

    ``lacking``: nothing but a missing fact says that they are not met, and nobody wrote that it should.
    """

    text: str
    holds: bool
    lacking: bool = False

    @property
    def weight(self) -> int:
        """What is definitely not met outweighs what must wait, and that what only lacks a fact."""
        return 0 if self.lacking else 1 if self.holds else 2


Judge = Callable[[Observation, list[Check]], Unmet | None]
"""Looks at an observation, notes a check for each condition, and returns None where all are met."""

_Predicate = Callable[[Fact, Observation], bool | None]


def compiled(conditions: Conditions, values: Values, *, denying: bool = False) -> Judge | None:
    """The conditions as one closure, None where there are none. Under ``denying`` the unknown holds."""
    parts = [_leaf(fact, test, values, denying=denying) for fact, test in conditions.facts().items()]
    if conditions.any:
        parts.append(_any(conditions.any, values, denying=denying))
    parts.extend(_none(inner, values) for inner in conditions.none)
    if len(parts) <= 1:
        return parts[0] if parts else None
    return _all(parts)


def told(conditions: Conditions, values: Values | None = None) -> str:
    """All of them in one line: `word_count >=30 and is_reply true`.

    With ``values`` in full: what the named ones are, and what becomes of an unknown fact where that is written.
    """
    parts = [f"{fact} {test.text}{_explained(fact, test, values)}" for fact, test in conditions.facts().items()]
    if conditions.any:
        parts.append(f"any of ({'; '.join(told(inner, values) for inner in conditions.any)})")
    parts.extend(f"not ({told(inner, values)})" for inner in conditions.none)
    return " and ".join(parts)


def _explained(fact: str, test: Comparison, values: Values | None) -> str:
    if values is None:
        return ""
    return _named(fact, test, values) + (f" ({_WHERE_UNKNOWN[test.if_unknown]})" if test.if_unknown else "")


_WHERE_UNKNOWN = {
    "pass": "met where that is not known",
    "fail": "not met where that is not known",
    "hold": "held where that is not known",
}


def _named(fact: str, test: Comparison, values: Values) -> str:
    """` (@window is 14d, in BIO101 7d)`: what the named values are everywhere, and where they differ."""
    said = []
    for ref in sorted(test.refs() & values.keys()):
        courses = [name for name in values[ref] if name != "default"]
        each = [f"in {name} {_shown_as(fact, values[ref][name])}" for name in courses[:_COURSES_MAX]]
        if "default" in values[ref]:
            each.insert(0, _shown_as(fact, values[ref]["default"]))
        if (more := len(courses) - _COURSES_MAX) > 0:
            each.append(f"and others in {more} more")
        said.append(f"@{ref} is {', '.join(each)}")
    return f" ({'; '.join(said)})" if said else ""


def facts_of(conditions: Conditions) -> frozenset[str]:
    """Every fact they look at, also what their values differ by: `course_shortname`, or `@person_…` itself."""
    found = set(conditions.facts())
    for ref in frozenset[str]().union(*(test.refs() for test in conditions.facts().values())):
        found.add(ref if ref.startswith(PERSON) else "course_shortname")
    return frozenset(found.union(*(facts_of(inner) for inner in (*conditions.any, *conditions.none))))


def fact_of(seen: Observation, name: str) -> Fact | None:
    """A fact by name: a looked-up one, or what the observation says of itself; None where it is unknown."""
    found = seen.facts.get(name)
    if found is None and name in OWN_FACTS:
        own: Fact | None = getattr(seen, name)
        return own
    return found


def shown(value: Fact) -> str:
    """A fact as a person reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(value)
    return value if isinstance(value, str) else shown_number(value)


def _shown_as(fact: str, value: Fact) -> str:
    """The value of a fact in its own unit."""
    if fact in _DURATIONS and isinstance(value, (int, Fraction)) and not isinstance(value, bool):
        return shown_duration(value)
    return shown(value)


def _all(parts: Sequence[Judge]) -> Judge:
    """Every part is asked, so that each condition is told; the first of those that weigh most is why."""

    def judge(seen: Observation, checks: list[Check]) -> Unmet | None:
        worst: Unmet | None = None
        for part in parts:
            unmet = part(seen, checks)
            if unmet is not None and (worst is None or worst.weight < unmet.weight):
                worst = unmet
        return worst

    return judge


def _any(tables: Sequence[Conditions], values: Values, *, denying: bool) -> Judge:
    judges = [compiled(inner, values, denying=denying) for inner in tables]
    no = Unmet(text=f"condition any of ({'; '.join(told(inner) for inner in tables)})", holds=False)
    lacking = replace(no, lacking=True)

    def judge(seen: Observation, checks: list[Check]) -> Unmet | None:
        best: Unmet | None = no
        for inner in judges:
            unmet = inner(seen, checks) if inner is not None else None
            if unmet is None or best is None:
                best = None
            elif unmet.holds and not best.holds:
                best = unmet
            elif unmet.lacking and best is no:
                best = lacking
        return best

    return judge


def _none(table: Conditions, values: Values) -> Judge:
    inner = compiled(table, values, denying=True)
    met = Unmet(text=f"condition none of ({told(table)})", holds=False)

    def judge(seen: Observation, checks: list[Check]) -> Unmet | None:
        unmet = inner(seen, checks) if inner is not None else None
        if unmet is None:
            return met
        return unmet if unmet.holds else None

    return judge


def _leaf(fact: str, test: Comparison, values: Values, *, denying: bool) -> Judge:
    predicate = _predicate(test, values)
    text = f"{fact} {test.text}"
    failed = Unmet(text=f"condition {text}", holds=False)
    by_course = bool(test.refs())
    own = fact in OWN_FACTS
    unknown = _unknown(fact, test, text, denying=denying)
    unset = _unknown(" ".join(f"@{ref}" for ref in sorted(test.refs())), test, text, denying=denying)
    remembered: dict[Hashable, tuple[Unmet | None, Check]] = {}

    def answer(value: Fact, seen: Observation) -> tuple[Unmet | None, Check]:
        fits, had = predicate(value, seen), _shown_as(fact, value)
        asked = f"{text}{_meant(fact, test, values, seen)}" if by_course else text
        if fits is None:
            return unset, Check(text=asked, status="unknown", seen=had)
        status: CheckStatus = "passed" if fits else "failed"
        return (None if fits else failed), Check(text=asked, status=status, seen=had)

    not_there = Check(text=text, status="unknown", seen="")

    def judge(seen: Observation, checks: list[Check]) -> Unmet | None:
        value = fact_of(seen, fact) if own else seen.facts.get(fact)
        if value is None:
            checks.append(not_there)
            return unknown
        if by_course:
            unmet, check = answer(value, seen)
        else:
            # True, 1 and Fraction(1) are equal and yet not the same fact; hashing a Fraction itself is slow.
            key = (value.numerator, value.denominator) if isinstance(value, Fraction) else (value.__class__, value)
            found = remembered.get(key)
            if found is None:
                if len(remembered) >= _SEEN_MAX:
                    remembered.clear()
                found = remembered[key] = answer(value, seen)
            unmet, check = found
        checks.append(check)
        return unmet

    return judge


def _meant(fact: str, test: Comparison, values: Values, seen: Observation) -> str:
    """What the named values are for this event: ` (14d)`, ` (@low 5, @high 9)`; nothing where that is unknown."""
    found = {ref: _value_of(ref, values, seen) for ref in sorted(test.refs())}
    said = {ref: _shown_as(fact, value) for ref, value in found.items() if value is not None}
    if len(found) == 1:
        return "".join(f" ({value})" for value in said.values())
    return f" ({', '.join(f'@{ref} {value}' for ref, value in said.items())})" if said else ""


def _value_of(ref: str, values: Values, seen: Observation) -> Number | None:
    if ref.startswith(PERSON):
        return next(iter(_numbers(seen.facts.get(ref, ()))), None)
    return _of_course(values[ref], seen)


def _of_course(each: Mapping[str, T], seen: Observation) -> T | None:
    """What stands for the event's course; None where that is not known and makes a difference."""
    course, default = seen.facts.get("course_shortname"), each.get("default")
    if course is None and seen.course is not None and len(each) > (default is not None):
        return None
    return each.get(course, default) if isinstance(course, str) else default


def _unknown(fact: str, test: Comparison, text: str, *, denying: bool) -> Unmet | None:
    """What an unknown fact comes to: by `if_unknown`, else by where the condition stands."""
    choice = test.if_unknown or ("hold" if denying else "fail")
    if choice == "pass":
        return None
    if choice == "hold":
        return Unmet(text=f"fact {fact} unknown", holds=True)
    return Unmet(text=f"condition {text} ({fact} unknown)", holds=False, lacking=test.if_unknown is None)


def _predicate(test: Comparison, values: Values) -> _Predicate:
    """Whether a fact fits; None where the operand itself is unknown for the event's course."""
    if test.op == "one of":
        return _one_of([_predicate(member, values) for member in test.members])
    if isinstance(test.operand, ValueRef):
        ref = test.operand.name
        return _by_person(test, ref) if ref.startswith(PERSON) else _by_course(test, values[ref])
    fits = _fits(test, test.operand)
    return lambda value, _seen: fits(value)


def _one_of(members: Sequence[_Predicate]) -> _Predicate:
    """Whether any of a list fits; what is unknown of one member is unknown unless another fits."""

    def predicate(value: Fact, seen: Observation) -> bool | None:
        answers = {member(value, seen) for member in members}
        return True if True in answers else None if None in answers else False

    return predicate


def _by_course(test: Comparison, table: Mapping[str, Number]) -> _Predicate:
    each = {course: _fits(test, operand) for course, operand in table.items()}

    def predicate(value: Fact, seen: Observation) -> bool | None:
        fits = _of_course(each, seen)
        return fits(value) if fits is not None else None

    return predicate


def _by_person(test: Comparison, ref: str) -> _Predicate:
    """Compared with what the learner's own profile says, where that is a number."""

    def predicate(value: Fact, seen: Observation) -> bool | None:
        said = _numbers(seen.facts.get(ref, ()))
        return _fits(test, said[0])(value) if said else None

    return predicate


def _fits(test: Comparison, operand: Plain) -> Callable[[Fact], bool]:
    if test.op == "!=":
        equal = _equal(operand)
        return lambda value: not equal(value)
    if test.op == "=":
        return _equal(operand)
    limit = cast("Number", operand)
    return lambda value: any(_ordered(test, each, limit) for each in _numbers(value))


def _ordered(test: Comparison, value: Number, limit: Number) -> bool:
    match test.op:
        case ">=":
            return value >= limit
        case ">":
            return value > limit
        case "<=":
            return value <= limit
        case "<":
            return value < limit
    return limit <= value <= test.high


def _equal(operand: Plain) -> Callable[[Fact], bool]:
    if isinstance(operand, bool):
        return lambda value: _truth(value) is operand
    if isinstance(operand, (int, Fraction)):
        return lambda value: any(each == operand for each in _numbers(value))
    if "*" in operand:
        pattern = re.compile(".*".join(re.escape(part) for part in operand.split("*")), re.DOTALL)
        return lambda value: any(pattern.fullmatch(each) for each in _texts(value))
    if is_number(operand) or is_length(operand):
        exact = quantity(operand)
        return lambda value: operand in _written(value) or any(each == exact for each in _numbers(value))
    return lambda value: operand in _texts(value)


def _numbers(value: Fact) -> tuple[Number, ...]:
    """The numbers a fact is: a text that is written as a number counts as one, true and false do not."""
    if isinstance(value, bool):
        return ()
    if isinstance(value, (int, Fraction)):
        return (value,)
    return tuple(number(each) for each in _texts(value) if is_number(each))


def _written(value: Fact) -> tuple[str, ...]:
    """The texts a fact was told as; what a number is shown as may be rounded, and is none of them."""
    if isinstance(value, tuple):
        return value
    return (value,) if isinstance(value, str) else ()


def _texts(value: Fact) -> tuple[str, ...]:
    """The texts a fact is; a list fits where one of its members does."""
    return _written(value) or (() if isinstance(value, tuple) else (shown(value),))


def _truth(value: Fact) -> bool | None:
    """True and false, also as sources without booleans write them."""
    if isinstance(value, bool):
        return value
    return {"1": True, "true": True, "0": False, "false": False}.get(shown(value).lower())
