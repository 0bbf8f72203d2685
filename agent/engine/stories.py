"""Rules that test themselves: `[[rule.example]]`, checked at loading, and `[[case]]`, run by `rules test`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from fractions import Fraction
from typing import Any

from agent.config.document import Fault, MisfitError
from agent.config.facts import FactTable
from agent.config.grammar import Number, duration_or_zero, is_duration, shown_number, toml_number
from agent.config.kinds import KindTable
from agent.config.rulefile import Case, Example, Placed, Rule, RuleFile
from agent.config.rulefile.across.stories import Names, slips
from agent.config.rulefile.tables.story import CaseRefusal
from agent.engine import booking, evaluate, trust
from agent.engine.challenge import completing
from agent.engine.challenge.compiled import ENROLLED, WITHDRAWN, lms_event
from agent.engine.derived import fold
from agent.engine.fairness import texts
from agent.engine.review.story import ruling_of, settle
from agent.engine.rulebook import BADGE, CompiledRule, Rulebook
from agent.errors import InvalidInputError
from agent.model import ROLES, Decision, Event, Evidence, Fact, Observation, Outcome, Role, Trust

_SITE = "story"
_NOON = time(12)
_A_DAY = date(2026, 9, 7)
_OWN = ("lesson", "section", "course", "post")
_DOERS: tuple[Role, ...] = ("subject", "actor", "author", "purchaser")
_AUDIENCE_FACTS = frozenset(
    {"course", "course_id", "course_shortname", "course_idnumber", "course_categories", "cohorts", "roles"}
)
_CEILING = Trust.server_verified
_EVIDENCE: Mapping[str, Evidence] = {
    "server_verified": Evidence.database_row,
    "trusted_source": Evidence.bearer_token,
    "client_reported": Evidence.address,
    "unverified": Evidence.nothing,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of one story: ``failures`` are sentences, none where all of it is true. ``where`` is file and line."""

    name: str
    where: str
    failures: tuple[str, ...]


def untrue_examples(file: RuleFile, rulebook: Rulebook) -> list[Fault]:
    """A fault for each example that its rule contradicts."""
    faults = []
    for placed, compiled in zip(file.rules, rulebook.rules, strict=False):
        for number, example in enumerate(placed.it.example):
            told = _told_of(example, compiled, file, rulebook)
            if told:
                hint = "correct the rule or the example"
                faults.append(placed.fault(f"this example is untrue: {told}", hint, at=("example", number)))
    return faults


def run_cases(file: RuleFile, rulebook: Rulebook) -> tuple[CaseResult, ...]:
    """Every story of the file, each on an empty ledger."""
    names = Names.of(file, KindTable().extended(file.kinds))
    return tuple(_run(placed, rulebook, names) for placed in file.cases)


def _told_of(example: Example, compiled: CompiledRule, file: RuleFile, rulebook: Rulebook) -> str:
    """What is untrue about an example, in words; nothing where it is true."""
    alone = _alone(compiled, example.event, rulebook)
    try:
        event = event_of(example.event, "ann", _when(compiled.spec, file), 1, rulebook)
    except (InvalidInputError, MisfitError) as error:
        return _sentence(error)
    verdicts = evaluate.judge(event, alone)
    if not verdicts:
        return f"the rule is not about {event.seen.kind or event.seen.lms_event}"
    decisions = booking.book(verdicts, booking.State.load((), {}), shadow=False)
    return _compared(example, decisions, rulebook.decimals)


def _compared(example: Example, decisions: Sequence[Decision], decimals: Mapping[str, int]) -> str:
    # An example says what the rule gives: where each award is reviewed, what an approval pays.
    given = _paid([_as_approved(one) for one in decisions], badges="badge" in (example.expect or {}))
    reasons = [decision.reason for decision in decisions if decision.reason]
    why = f" ({'; '.join(reasons)})" if reasons else ""
    if example.expect is not None and _wanted(example.expect, decimals) != given:
        wanted = _shown(_wanted(example.expect, decimals), decimals)
        return f"it expects {wanted}, the rule gives {_shown(given, decimals)}{why}"
    if example.because is not None and not any(reason.startswith(example.because) for reason in reasons):
        return f"it expects the reason {example.because!r}, the rule gives {_shown(given, decimals)}{why}"
    return ""


def _as_approved(decision: Decision) -> Decision:
    return replace(decision, outcome=Outcome.awarded) if decision.reserves else decision


def _alone(compiled: CompiledRule, said: Mapping[str, Any], rulebook: Rulebook) -> Rulebook:
    """The rulebook with this rule only, live; its times and audience count where the example speaks of them."""
    rule = replace(
        compiled,
        mode="live",
        when=compiled.when if "at" in said else None,
        whom=compiled.whom if not _AUDIENCE_FACTS.isdisjoint(said) else None,
    )
    return replace(rulebook, rules=(rule,), _matches={})


def _when(rule: Rule, file: RuleFile) -> date:
    """A day to put an event on that names none: inside the period the rule is once per."""
    named = (file.periods[scope].from_ for scope in rule.once_per or () if scope in file.periods)
    return next(named, _A_DAY)


class _Objects:
    """What an event is about where a story does not name it: what the event before it about the same thing was.

    A grade and a submission are one object for each learner and lesson, however often they change. An attempt is a new
    one each time, as is a badge; what undoes or marks one names the newest.
    """

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str, str], str] = {}

    def of(self, said: Mapping[str, Any], learner: str, number: int) -> str:
        """The object of the ``number``-th event of a story."""
        kind = str(said.get("kind", ""))
        family = _FAMILIES.get(kind)
        own = str(said.get("object_id", number))
        if family is None:
            return own
        about = "" if family in _OF_THE_LEARNER else str(said.get(family, number))
        thing = (learner, kind.partition(".")[0] if family == "lesson" else family, about)
        if "object_id" not in said and kind not in _ANEW:
            own = self._newest.get(thing, own)
        self._newest[thing] = own
        return own


_FAMILIES: Mapping[str, str] = {
    "quiz.submitted": "lesson",
    "quiz.attempt_deleted": "lesson",
    "quiz.regraded": "lesson",
    "assignment.submitted": "lesson",
    "assignment.withdrawn": "lesson",
    "grade.awarded": "lesson",
    "grade.deleted": "lesson",
    "course.graded": "course",
    "badge.awarded": "badge",
    "badge.revoked": "badge",
    "order.created": "order",
    "order.refunded": "order",
}
"""By what of an event its object is known in a story."""

_OF_THE_LEARNER = frozenset({"badge", "order"})
"""Known by the learner alone."""

_ANEW = frozenset({"quiz.submitted", "badge.awarded", "order.created"})
"""Kinds of which each event is about an object of its own."""


def _run(placed: Placed[Case], rulebook: Rulebook, names: Names) -> CaseResult:
    case, state, objects = placed.it, booking.State.load((), {}), _Objects()
    events: list[Event | None] = []
    by_event: list[list[Decision]] = []
    failures = [f"{slip.message}, {slip.hint}" if slip.hint else slip.message for slip in slips(placed, names)]
    for number, said in enumerate(case.events, 1):
        event, decisions = None, list[Decision]()
        try:
            if (ruling := ruling_of(said)) is not None:
                decisions = settle(ruling, by_event, events, rulebook, state)
            else:
                learner = str(said.get("learner", "ann"))
                known = {**said, "object_id": objects.of(said, learner, number)}
                event = event_of(known, learner, _A_DAY, number, rulebook)
                decisions = _decided(event, rulebook, state)
        except (InvalidInputError, MisfitError) as error:
            failures.append(f"event {number}: {_sentence(error)}")
        events.append(event)
        by_event.append(decisions)
    failures.extend(_unpaid(case, by_event, rulebook, names))
    failures.extend(_unsaid(case.refused, Outcome.refused, by_event, names))
    failures.extend(_unsaid(case.held, Outcome.held, by_event, names))
    return CaseResult(name=case.name, where=placed.where, failures=tuple(failures))


def _sentence(error: InvalidInputError | MisfitError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _decided(event: Event, rulebook: Rulebook, state: booking.State) -> list[Decision]:
    brought = fold.fold([event], rulebook, state.uses).events
    judged = [verdict for each in brought for verdict in evaluate.judge(each, rulebook)]
    if (wanted := completing.wants(judged, rulebook)) is not None:
        judged = completing.fold(judged, rulebook, state.uses.copied(wanted.rows), shadow=False).verdicts
    return booking.book(judged, state, shadow=False)


def _unpaid(case: Case, by_event: Sequence[Sequence[Decision]], rulebook: Rulebook, names: Names) -> Iterator[str]:
    for expected in case.expect:
        if expected.rule is not None and expected.rule not in names.rules:
            continue
        learner = f"{_SITE}:{expected.learner}"
        mine = [
            decision
            for decisions in by_event
            for decision in decisions
            if decision.learner == learner and expected.rule in {None, decision.rule_id}
        ]
        said = expected.amounts()
        given, wanted = _paid(mine, badges="badge" in said), _wanted(said, rulebook.decimals)
        if given != wanted:
            from_rule = f" from {expected.rule}" if expected.rule else ""
            should, has = (_shown(amounts, rulebook.decimals) for amounts in (wanted, given))
            yield f"{expected.learner} should have {should}{from_rule} and has {has}"


def _unsaid(
    expected: Iterable[CaseRefusal], outcome: Outcome, by_event: Sequence[Sequence[Decision]], names: Names
) -> Iterator[str]:
    for each in expected:
        if each.event > len(by_event) or each.rule not in names.rules:
            continue
        mine = [decision for decision in by_event[each.event - 1] if decision.rule_id == each.rule]
        if not any(d.outcome is outcome and d.reason.startswith(each.because) for d in mine):
            found = "; ".join(f"{d.outcome.name} {d.reason}".strip() for d in mine) or "not decided by this rule"
            yield f"event {each.event} should be {outcome.name} by {each.rule} ({each.because}) and is: {found}"


def _paid(decisions: Iterable[Decision], *, badges: bool) -> dict[str, int]:
    """What is left of all awards, per account that is not empty; badges only where they are spoken of."""
    found: defaultdict[str, int] = defaultdict(int)
    for decision in decisions:
        if decision.outcome in {Outcome.awarded, Outcome.reversed}:
            for posting in decision.postings:
                if badges or not posting.currency.startswith(BADGE):
                    found[posting.currency] += posting.amount
    return {name: amount for name, amount in found.items() if amount}


def _wanted(expected: Mapping[str, Number | str], decimals: Mapping[str, int]) -> dict[str, int | Fraction]:
    """The same shape from what is expected, in smallest units; zeros are nothing."""
    found: dict[str, int | Fraction] = {}
    for name, amount in expected.items():
        if isinstance(amount, str):
            found[f"{BADGE}{amount}" if name == "badge" else name] = 1
        elif amount:
            found[name] = Fraction(amount) * 10 ** decimals.get(name, 0)
    return found


def _shown(amounts: Mapping[str, Number], decimals: Mapping[str, int]) -> str:
    """As `expect` is written, not in smallest units."""
    written = {name: Fraction(amount) / 10 ** decimals.get(name, 0) for name, amount in amounts.items()}
    return ", ".join(f"{name} {shown_number(amount)}" for name, amount in written.items()) or "nothing"


def event_of(said: Mapping[str, Any], learner: str, day: date, number: int, rulebook: Rulebook) -> Event:
    """The event that a story tells; what it leaves out is filled in (a lesson and a post of its own, course 1).

    Raises:
        InvalidInputError: it cannot be an event.
    """
    if "kind" not in said and "lms_event" not in said:
        raise InvalidInputError("an event needs a kind")
    level = str(said.get("trust", _CEILING.name))
    if level not in _EVIDENCE:
        raise InvalidInputError(f"{level!r} is not a trust")
    people: dict[str, str] = {role: str(said.get(role, learner)) for role in _DOERS}
    people.update({role: str(said[role]) for role in ROLES if role in said})
    badge = str(said.get("kind", "")).startswith("badge.")
    seen = Observation(
        source=_SITE,
        site=_SITE,
        position=number,
        lms_event=str(said.get("lms_event", "") or _of_challenge(said)),
        kind=str(said["kind"]) if "kind" in said else None,
        people=people,
        natural_key=(str(number),),
        occurred_at=_time(said.get("at"), day, rulebook) + (0 if "at" in said else number),
        evidence=_EVIDENCE[level],
        object_table="badge" if badge else None,
        object_id=str(said.get("object_id", number)),
        course=str(said.get("course", "1")),
        section=str(said.get("section", "1")),
        lesson=str(said.get("lesson", number)),
        post=str(said.get("post", number)),
        person_marks={learner: "staff"} if said.get("staff") is True else {},
        facts=_facts(said, people),
    )
    return trust.tag(seen, _CEILING)


def _of_challenge(said: Mapping[str, Any]) -> str:
    """What the event is called that enrols into a challenge; nothing where it is another."""
    kind = said.get("kind")
    return lms_event(kind, str(said.get("challenge", ""))) if kind in {ENROLLED, WITHDRAWN} else ""


def _time(value: Any, day: date, rulebook: Rulebook) -> int:
    if isinstance(value, datetime):
        return rulebook.calendar.at(value)
    if value is None or isinstance(value, date):
        return rulebook.calendar.at(datetime.combine(value or day, _NOON))
    raise InvalidInputError(f"{value!r} is not a time; write 2026-09-07T09:00:00")


_TEXT_KEY = b"story"
_NOT_FACTS = frozenset({"kind", "text", "lms_event", "at", "trust", "learner", "staff", "object_id", *_OWN, *ROLES})


def _facts(said: Mapping[str, Any], people: Mapping[str, str]) -> dict[str, Fact]:
    table = FactTable()
    found: dict[str, Fact] = dict(texts.facts(str(said["text"]), _TEXT_KEY)) if "text" in said else {}
    for name, value in said.items():
        if name in _NOT_FACTS:
            continue
        entry = table.get(name)
        fact = _fact(name, value, seconds=entry is not None and entry.unit == "s")
        if entry is not None and entry.of_person:
            found.update({f"{name}:{user}": fact for user in people.values()})
        else:
            found[name] = fact
    return found


def _fact(name: str, value: Any, *, seconds: bool) -> Fact:
    if isinstance(value, bool):
        return value
    exact = toml_number(value)
    if exact is not None:
        return exact
    if isinstance(value, str):
        return duration_or_zero(value) if seconds and is_duration(value) else value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise InvalidInputError(f"{name} cannot be {value!r}")
