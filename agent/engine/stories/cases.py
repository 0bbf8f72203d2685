"""`[[case]]`: stories with time, each on an empty ledger. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.config.document import MisfitError
from agent.config.grammar import Number
from agent.config.kinds import KindTable
from agent.config.rulefile import Case, Placed, RuleFile
from agent.config.rulefile.across.stories import Names, slips
from agent.config.rulefile.tables.story import CaseRefusal
from agent.engine.rulebook import BADGE, Rulebook
from agent.engine.stories import amounts
from agent.engine.stories.byhand import assigned_of, given
from agent.engine.stories.rulings import ruling_of, settle
from agent.engine.stories.runs import call_of, carried_out
from agent.engine.stories.teller import Teller
from agent.engine.stories.told import A_DAY, SITE, Objects, event_of, sentence
from agent.errors import InvalidInputError
from agent.model import Decision, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of one story: ``failures`` are sentences, none where all of it is true. ``where`` is file and line."""

    name: str
    where: str
    failures: tuple[str, ...]


def run_cases(file: RuleFile, rulebook: Rulebook) -> tuple[CaseResult, ...]:
    """Every story of the file, each on an empty ledger."""
    names = Names.of(file, KindTable().extended(file.kinds))
    return tuple(_run(placed, rulebook, names) for placed in file.cases)


def _run(placed: Placed[Case], rulebook: Rulebook, names: Names) -> CaseResult:
    case, teller, objects = placed.it, Teller(rulebook.for_everybody()), Objects()
    failures = [f"{slip.message}, {slip.hint}" if slip.hint else slip.message for slip in slips(placed, names)]
    for number, said in enumerate(case.events, 1):
        decisions = list[Decision]()
        try:
            decisions = _decided(said, number, teller, objects, names)
        except (InvalidInputError, MisfitError) as error:
            failures.append(f"event {number}: {sentence(error)}")
        teller.told.append(decisions)
    by_event = teller.told
    failures.extend(_unpaid(case, by_event, rulebook, names))
    failures.extend(_unsaid(case.refused, Outcome.refused, by_event, names))
    failures.extend(_unsaid(case.held, Outcome.held, by_event, names))
    return CaseResult(name=case.name, where=placed.where, failures=tuple(failures))


def _decided(said: Mapping[str, Any], number: int, teller: Teller, objects: Objects, names: Names) -> list[Decision]:
    """What one entry of a story comes to: an act, what somebody decides or gives, or runs of a scheduled reward."""
    if (ruling := ruling_of(said)) is not None:
        return teller.decided(settle(ruling, teller))
    if (call := call_of(said)) is not None:
        return carried_out(call, teller) if call.scheduled in names.scheduled else []
    if (assigned := assigned_of(said)) is not None:
        return given(assigned, number, teller) if f"{BADGE}{assigned.badge}" in names.rules else []
    learner = str(said.get("learner", "ann"))
    known = {**said, "object_id": objects.of(said, learner, number)}
    return teller.happens(event_of(known, learner, A_DAY, number, teller.rulebook))


def _unpaid(case: Case, by_event: Sequence[Sequence[Decision]], rulebook: Rulebook, names: Names) -> Iterator[str]:
    for expected in case.expect:
        if expected.rule is not None and expected.rule not in names.rules:
            continue
        learner = f"{SITE}:{expected.learner}"
        mine = [
            decision
            for decisions in by_event
            for decision in decisions
            if decision.learner == learner and expected.rule in {None, decision.rule_id}
        ]
        said = expected.amounts()
        paid, wanted = amounts.paid(mine, badges="badge" in said), amounts.wanted(said, rulebook.decimals)
        if expected.rule is None and said:
            paid = {account: amount for account, amount in paid.items() if _spoken_of(account, said)}
        if paid != wanted:
            from_rule = f" from {expected.rule}" if expected.rule else ""
            should, has = (amounts.shown(each, rulebook.decimals) for each in (wanted, paid))
            yield f"{expected.learner} should have {should}{from_rule} and has {has}"


def _spoken_of(account: str, said: Mapping[str, Number | str]) -> bool:
    """Who says what somebody has of one currency says nothing of others."""
    return account in said or account.startswith(BADGE)


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
