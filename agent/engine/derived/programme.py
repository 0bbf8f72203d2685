"""Programmes: which courses are passed is a set, and the act that makes it whole completes the programme. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from fractions import Fraction

from agent.config.grammar import shown_number
from agent.config.rulefile import Conditions, Placed, Rule
from agent.config.rulefile.tables.programme import Programme
from agent.engine.earning.derivation import Derivation, Member
from agent.engine.filters import course_of
from agent.engine.recognition.compiled import PROGRAMME
from agent.engine.recognition.model import RULE
from agent.model import Event, Observation, Selector

COMPLETED = "programme.completed"
_FACT = {"idnumber": "course_idnumber", "id": "course_id"}


def compiled(programmes: Mapping[str, Placed[Programme]]) -> tuple[Derivation, ...]:
    """Every programme, in written order. Those with the same pass mark share what is known of their courses."""
    return tuple(_one(name, placed) for name, placed in programmes.items())


def _one(name: str, placed: Placed[Programme]) -> Derivation:
    spec = placed.it
    by_grade = spec.mark != "completed"
    meter = f"passed:{'completed' if spec.mark == 'completed' else shown_number(spec.mark)}"
    slots = {selector: slot(selector) for selector in spec.courses}
    return Derivation(
        kind=COMPLETED,
        name=name,
        meter=meter,
        needed=frozenset(slots.values()),
        members=_members(meter, slots, _passes(spec)),
        facts={"programme": name},
        kinds=frozenset({"course.graded" if by_grade else "course.completed"}),
        wants=frozenset(_facts(spec.courses)) | (frozenset({"score_pct"}) if by_grade else frozenset()),
        selectors=tuple(_selectors(name, placed)),
    )


def remembering(programmes: Mapping[str, Placed[Programme]], looked_at: Collection[str]) -> tuple[Rule, ...]:
    """Rules that pay nothing and remember who completed a programme: one for each that is looked at by a criterion."""
    return tuple(_remembers(name) for name in programmes if f"{RULE}{PROGRAMME}{name}" in looked_at)


def _remembers(name: str) -> Rule:
    return Rule.model_construct(
        id=f"{PROGRAMME}{name}",
        on=(COMPLETED,),
        title=f"Who completed {name}",
        conditions=Conditions.model_validate({"programme": name}),
        once_per=("programme",),
    )


def slot(selector: str) -> int:
    """A number for what a course is called, the same in every version of the rules."""
    return int.from_bytes(hashlib.sha256(selector.encode()).digest()[:7]) >> 1


def _passes(spec: Programme) -> Callable[[Observation], bool]:
    mark = spec.mark
    if mark == "completed":
        return lambda seen: seen.kind == "course.completed"
    least = Fraction(mark)

    def passes(seen: Observation) -> bool:
        score = seen.facts.get("score_pct")
        number = isinstance(score, (int, Fraction)) and not isinstance(score, bool)
        return seen.kind == "course.graded" and number and Fraction(score) >= least  # type: ignore[arg-type]

    return passes


def _members(
    meter: str, slots: Mapping[str, int], passes: Callable[[Observation], bool]
) -> Callable[[Event], tuple[Member, ...]]:
    tests = [(course_of(selector), number) for selector, number in slots.items()]

    def members(event: Event) -> tuple[Member, ...]:
        seen = event.seen
        if not passes(seen):
            return ()
        return tuple(Member(meter, number) for is_it, number in tests if is_it(seen))

    return members


def _facts(courses: Iterable[str]) -> Iterable[str]:
    for selector in courses:
        prefix, colon, _ = selector.partition(":")
        yield _FACT.get(prefix, "course_shortname") if colon else "course_shortname"


def _selectors(programme: str, placed: Placed[Programme]) -> Iterable[Selector]:
    for number, name in enumerate(placed.it.courses):
        place = placed.fault("", at=("courses", number))
        where = f"{place.file}:{place.line}:{place.column}"
        yield Selector(by="courses", name=name, where=where, of=f"programme {programme}", programme=programme)
