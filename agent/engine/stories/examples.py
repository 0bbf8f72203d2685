"""`[[rule.example]]`: what one event brings by one rule, checked when the file is loaded. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain
from typing import Any

from agent.config.document import Fault, MisfitError
from agent.config.rulefile import Example, Rule, RuleFile
from agent.engine import booking, evaluate
from agent.engine.rulebook import CompiledRule, Rulebook
from agent.engine.stories import amounts
from agent.engine.stories.told import A_DAY, event_of, sentence
from agent.errors import InvalidInputError
from agent.model import Decision, Outcome

_AUDIENCE_FACTS = frozenset(
    {"course", "course_id", "course_shortname", "course_idnumber", "course_categories", "cohorts", "roles"}
)


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


def _told_of(example: Example, compiled: CompiledRule, file: RuleFile, rulebook: Rulebook) -> str:
    """What is untrue about an example, in words; nothing where it is true."""
    alone = _alone(compiled, example.event, rulebook)
    try:
        event = event_of(example.event, "ann", _when(compiled.spec, file), 1, rulebook)
    except (InvalidInputError, MisfitError) as error:
        return sentence(error)
    verdicts = evaluate.judge(event, alone)
    if not verdicts:
        return f"the rule is not about {event.seen.kind or event.seen.lms_event}"
    decisions = booking.book(verdicts, booking.State.load((), {}), shadow=False)
    return _compared(example, decisions, rulebook.decimals)


def _compared(example: Example, decisions: Sequence[Decision], decimals: Mapping[str, int]) -> str:
    # An example says what the rule gives: where each award is reviewed, what an approval pays.
    given = amounts.paid([_as_approved(one) for one in decisions], badges="badge" in (example.expect or {}))
    reasons = [decision.reason for decision in decisions if decision.reason]
    why = f" ({'; '.join(reasons)})" if reasons else ""
    if example.expect is not None and amounts.wanted(example.expect, decimals) != given:
        should = amounts.shown(amounts.wanted(example.expect, decimals), decimals)
        return f"it expects {should}, the rule gives {amounts.shown(given, decimals)}{why}"
    if example.because is not None and not any(reason.startswith(example.because) for reason in reasons):
        return f"it expects the reason {example.because!r}, the rule gives {amounts.shown(given, decimals)}{why}"
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
    return replace(rulebook.for_everybody(), rules=(rule,), _matches={})


_DAYS_LOOKED_AT = 1_000


def _when(rule: Rule, file: RuleFile) -> date:
    """A day to put an event on that names none: in the period the rule counts in, not closed, and one of its days."""
    scopes = (*(rule.once_per or ()), *((rule.streak.in_,) if rule.streak is not None else ()))
    period = next((file.periods[scope] for scope in scopes if scope in file.periods), None)
    first, last = (period.from_, period.until) if period is not None else (A_DAY, date.max)
    begin = min(max(A_DAY, first), last)
    weekdays = rule.active.days if rule.active is not None else None
    for day in chain(_days(begin, last), _days(begin, first)):
        closed = any(start <= day <= end for start, end in file.closed)
        if not closed and (weekdays is None or day.weekday() in weekdays):
            return day
    return begin


def _days(begin: date, end: date) -> Iterator[date]:
    """Days from one to another, forwards or backwards, as many as are looked at."""
    step = 1 if end >= begin else -1
    count = min(abs((end - begin).days) + 1, _DAYS_LOOKED_AT)
    return (begin + timedelta(days=step * number) for number in range(count))
