"""From `[[scheduled]]` to what can be carried out: nominal times, prizes with their quotas, and which acts count."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent.config.cron import Cron
from agent.config.facts import FactTable
from agent.config.grammar import Number
from agent.config.kinds import KindTable
from agent.config.rulefile import Placed, Rule, RuleFile, Scheduled
from agent.config.rulefile.award import AwardPart
from agent.config.rulefile.tables.condition import Audience
from agent.engine import conditions, filters
from agent.engine.calendar import Calendar
from agent.engine.earning import amounts
from agent.engine.earning.amounts import CompiledAmount
from agent.engine.filters import Outside, Whom
from agent.engine.rulebook import BADGE, CompiledRule, Needs, Once, Payee, Timed, once
from agent.engine.timing.timetable import Timetable
from agent.model import Observation, Role, Selector

KIND = "scheduled.reward"
"""The kind of the event that stands for a prize."""
SOURCE = "scheduled"
"""The source of such events and of their entries."""
RUN = "run"
"""The scope a scheduled reward is once per."""
ENROLLED = "course.enrolled"

MakePayee = Callable[[Rule, Role, tuple[CompiledAmount, ...]], Payee]
"""(rule, recipient, amounts) → the payee with its quotas."""


def compiled_all(file: RuleFile, kinds: KindTable, calendar: Calendar, payee: MakePayee) -> tuple[Timed, ...]:
    """Every scheduled reward that is not off, in written order."""
    return tuple(
        _compiled(placed, file, kinds, calendar, payee) for placed in file.scheduled if placed.it.mode != "off"
    )


def _compiled(
    placed: Placed[Scheduled], file: RuleFile, kinds: KindTable, calendar: Calendar, payee: MakePayee
) -> Timed:
    spec = placed.it
    own = as_rule(spec)
    decimals = {name: currency.decimals for name, currency in file.currencies.items()}
    prizes = [(prize.amounts, prize.badge) for prize in spec.places] or [(spec.award, spec.badge)]
    payees = tuple(payee(own, "subject", _given(*prize, decimals)) for prize in prizes)
    cron = None if spec.cron is None else Cron(spec.cron)
    run: dict[str | None, Once] = {None: once(own, (RUN,))}
    rule = CompiledRule(
        id=spec.id,
        spec=own,
        version=file.version,
        mode=spec.mode,
        min_trust=spec.min_trust,
        payees=payees,
        when=None,
        whom=None,
        condition=None,
        onces=run,
        braked=file.safety is not None,
    )
    nobody = Payee(role=spec.recipient, postings=(), own=(), shared=(), quotas=())
    acts = CompiledRule(
        id=spec.id,
        spec=own,
        version=file.version,
        mode="live",
        min_trust=spec.min_trust,
        payees=(nobody,),
        when=None,
        whom=_whom(spec),
        condition=conditions.compiled(spec.conditions, file.numbers),
        onces={None: once(own, ("event",))},
    )
    table = Timetable(calendar, every=spec.every, cron=cron, over=spec.looked_at)
    return Timed(spec=spec, timetable=table, rule=rule, acts=acts, kinds=frozenset(kinds_of(spec)) & kinds.kinds())


def as_rule(spec: Scheduled) -> Rule:
    """What pays it, as a rule: what quotas, holds and messages are made of."""
    first = spec.places[0] if spec.places else None
    given = first.amounts if first is not None else spec.award
    return Rule.model_construct(
        id=spec.id,
        on=(KIND,),
        title=spec.title,
        description=spec.description,
        award=(AwardPart(to=None, amounts=given),) if given else (),
        badge=first.badge if first is not None else spec.badge,
        once_per=(RUN,),
        limit=spec.limit,
        budget=spec.budget,
        cooldown=spec.cooldown,
        min_trust=spec.min_trust,
        mode=spec.mode,
        message=spec.message,
        group=spec.group,
        tags=spec.tags,
    )


def _given(
    given: Iterable[tuple[str, Number]], badge: str | None, decimals: dict[str, int]
) -> tuple[CompiledAmount, ...]:
    found = [amounts.compiled(currency, amount, decimals.get(currency, 0)) for currency, amount in given]
    if badge is not None:
        found.append(amounts.compiled(BADGE + badge, 1, 0))
    return tuple(each for each in found if each.pays_something)


def kinds_of(spec: Scheduled) -> tuple[str, ...]:
    """The kinds it looks at; none where it looks at what was earned, or at any act."""
    if spec.among is not None:
        return () if spec.among.by.how == "earned" else (spec.among.by.what,)
    if spec.attendance is not None:
        return (spec.attendance.of,)
    if spec.anniversary is not None:
        return (ENROLLED,) if spec.anniversary.of == "enrolment" else ()
    return (spec.inactivity.of,) if spec.inactivity is not None and spec.inactivity.of else ()


def audiences(spec: Scheduled) -> tuple[Audience, ...]:
    """Every audience that an act must fit: its own, and the course it is about."""
    course = spec.among.course if spec.among is not None else None
    about = () if course is None else (Audience(courses=(course,)),)
    return (*((spec.audience,) if spec.audience is not None else ()), *about)


def _whom(spec: Scheduled) -> Whom | None:
    tests = [filters.audience(each) for each in audiences(spec)]
    if not tests:
        return None

    def whom(seen: Observation, user: str) -> Outside | None:
        return next((outside for test in tests if (outside := test(seen, user)) is not None), None)

    return whom


def needs(timed: Timed, kinds: KindTable) -> Needs:
    """What it asks of the sources."""
    entries = [entry for kind in timed.kinds for entry in kinds.entries_for(kind)]
    facts = set(conditions.facts_of(timed.spec.conditions))
    facts.update(fact for each in audiences(timed.spec) for fact in filters.audience_facts(each))
    if timed.spec.among is not None and timed.spec.among.by.fact:
        facts.add(timed.spec.among.by.fact)
    known = {entry.name for entry in FactTable().entries}
    return Needs(
        kinds=timed.kinds,
        names=frozenset(entry.lms_event for entry in entries if not entry.suffix),
        suffixes=frozenset(entry.lms_event for entry in entries if entry.suffix),
        facts=frozenset(facts & known),
    )


def selectors(file: RuleFile) -> tuple[Selector, ...]:
    """Every name that audiences and courses of scheduled rewards give to something in the LMS."""
    found = [one for placed in file.scheduled for one in filters.selectors(placed)]
    for placed in file.scheduled:
        among = placed.it.among
        if among is not None and among.course is not None and placed.it.mode != "off":
            at = ("rank", "course") if placed.it.rank is not None else ("draw", "among", "course")
            place = placed.fault("", at=at)
            where = f"{place.file}:{place.line}:{place.column}"
            found.append(Selector(by="courses", name=among.course, where=where, of=placed.it.id))
    return tuple(found)
