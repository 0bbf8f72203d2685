"""From `[[challenge]]` to rules: one for each step, one for being enrolled, all under the challenge's own id. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise

from agent.config.document import FaultsError
from agent.config.grammar import Duration
from agent.config.rulefile import Conditions, Placed, Rule
from agent.config.rulefile.tables.challenge import Challenge, Step
from agent.engine.calendar import Calendar
from agent.engine.earning.challenge import slots
from agent.engine.earning.challenge.count import Plan
from agent.engine.earning.challenge.form import Counting
from agent.engine.earning.sets import Form
from agent.engine.rulebook import CompiledChallenge, CompiledRule, Needs, Once, Payee, once
from agent.model import Observation, Selector, Trust

COMPLETED = "challenge.completed"
ENROLLED = "challenge.enrolled"
WITHDRAWN = "challenge.withdrawn"


def listened(challenges: Sequence[CompiledChallenge], needs: Iterable[Needs]) -> Mapping[str, CompiledChallenge]:
    """The challenges that pay, where any rule that is not off listens to their completion."""
    heard = any(COMPLETED in one.kinds for one in needs)
    return {made.spec.id: made for made in challenges if made.spec.mode == "live"} if heard else {}


def lms_event(kind: str, challenge_id: str) -> str:
    """The name of the event that enrols into a challenge, or withdraws from it."""
    return f"\\challenge\\{challenge_id}\\{kind.partition('.')[2]}"


def step_kinds(step: Step) -> str | None:
    """The kind that a step is usually about: its first that is no LMS name."""
    return next((pattern for pattern in step.on if "\\" not in pattern), None)


def compiled(
    challenges: Sequence[Placed[Challenge]], rule_of: Callable[[Rule], CompiledRule], calendar: Calendar
) -> tuple[CompiledChallenge, ...]:
    """Every challenge. ``rule_of`` compiles a rule.

    Raises:
        FaultsError: two steps of one challenge cannot be told apart.
    """
    by_id: dict[str, CompiledChallenge] = {}
    places = {placed.it.id: placed for placed in challenges}

    def made(placed: Placed[Challenge]) -> CompiledChallenge:
        """What comes next is made first: `check` has refused circles."""
        name = placed.it.id
        if name not in by_id:
            following = made(places[placed.it.next]) if placed.it.next is not None else None
            by_id[name] = _one(placed, rule_of, calendar, following)
        return by_id[name]

    return tuple(made(placed) for placed in challenges)


def selectors(placed: Placed[Challenge]) -> Iterator[Selector]:
    """The cohorts that enrol: names of something in the LMS, like those of an audience."""
    spec = placed.it
    if spec.mode == "off" or spec.whom is spec.audience or spec.whom is None:
        return
    for number, name in enumerate(spec.whom.cohorts or ()):
        place = placed.fault("", at=("enrol", "cohorts", number))
        where = f"{place.file}:{place.line}:{place.column}"
        yield Selector(by="cohorts", name=name, where=where, of=spec.id)


def _one(
    placed: Placed[Challenge],
    rule_of: Callable[[Rule], CompiledRule],
    calendar: Calendar,
    following: CompiledChallenge | None,
) -> CompiledChallenge:
    spec = placed.it
    counting = Counting(spec=spec, plan=_plan(placed, calendar), deadline=_deadline(spec))
    then = None
    if following is not None:
        then = _with(following.enrolment, following.counting.form_of_marks(lambda _seen: slots.ENROLLED))
    steps = tuple(
        replace(
            _with(
                rule_of(_rule(spec, step.on, step.conditions)), counting.form_of(number, step), tuple(step.per or ())
            ),
            then=then,
        )
        for number, step in enumerate(spec.step)
    )
    marks = (lms_event(ENROLLED, spec.id), lms_event(WITHDRAWN, spec.id))
    enrolment = _with(rule_of(_rule(spec, marks, Conditions(), Trust.unverified)), counting.form_of_marks(_what))
    enrolment = replace(enrolment, then=then, experiments=())  # to be enrolled is no reward yet
    return CompiledChallenge(spec=spec, counting=counting, steps=steps, enrolment=enrolment)


def _what(seen: Observation) -> int:
    return slots.WITHDRAWN if seen.kind == WITHDRAWN else slots.ENROLLED


def _with(rule: CompiledRule, form: Form, per: tuple[str, ...] = ()) -> CompiledRule:
    own = once(rule.spec, ("ever",))
    every = Once(names=own.names, quota=replace(own.quota, label="completed already"))
    wanted = frozenset({"section", "post"} & set(per))
    nothing = (Payee(role=rule.spec.recipient, postings=(), own=(), shared=(), quotas=()),)
    return replace(rule, form=replace(form, facts=wanted), onces={None: every}, payees=rule.payees or nothing)


def _rule(spec: Challenge, on: tuple[str, ...], conditions: Conditions, trust: Trust | None = None) -> Rule:
    """What a step is as a rule; that it may pay nothing is what sets it apart."""
    return Rule.model_construct(
        id=spec.id,
        on=on,
        title=spec.title,
        description=spec.description,
        award=spec.award,
        conditions=conditions,
        once_per=("ever",),
        limit=spec.limit,
        min_trust=spec.min_trust if trust is None else trust,
        recipient=spec.recipient,
        mode=spec.mode,
        active=spec.active,
        audience=spec.whom,
        badge=spec.badge,
        message=spec.message,
        group=spec.group,
        tags=spec.tags,
    )


def _plan(placed: Placed[Challenge], calendar: Calendar) -> Plan:
    spec = placed.it
    codes = tuple(slots.code_of(step) for step in spec.step)
    for number, code in enumerate(codes):
        first = codes.index(code)
        if first != number:
            told = f"steps {first + 1} and {number + 1} of {spec.id} cannot be told apart"
            raise FaultsError([placed.fault(told, "give each an id of its own", at=("step", number))])
    name = spec.repeat if isinstance(spec.repeat, str) else None
    last = spec.deadline if isinstance(spec.deadline, date) else None
    return Plan(
        codes=codes,
        counts=tuple(step.count for step in spec.step),
        strict=spec.order == "strict",
        by_hand=spec.by_hand,
        within=spec.deadline.seconds if isinstance(spec.deadline, Duration) else None,
        until=None if last is None else calendar.over(last),
        repeat=bool(spec.repeat),
        leads_on=spec.next is not None,
        later=_later(spec) if spec.order == "strict" else (),
        window=None if name is None else lambda at: calendar.moment(at).windows.get(name),
    )


def _later(spec: Challenge) -> tuple[bool, ...]:
    """Whether one act can be about each step and the one before it."""
    kinds = [frozenset(step.on) for step in spec.step]
    loose = [any(sign in name for name in named for sign in ("*", "\\")) for named in kinds]  # may be of any kind
    told = list(zip(kinds, loose, strict=True))
    return (False, *(wide or wild or bool(one & two) for (one, wide), (two, wild) in pairwise(told)))


def _deadline(spec: Challenge) -> str:
    if isinstance(spec.deadline, date):
        return spec.deadline.isoformat()
    return spec.deadline.text if spec.deadline is not None else ""
