"""What a settled hold of a story sets free: decided again as in the ledger, the oldest arrival first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from agent.engine.evaluate import Verdict
from agent.engine.past import following, undo
from agent.engine.review import raising, set_free
from agent.engine.stories.teller import Teller, what
from agent.model import Award, Decision, Outcome, UseKey


class _Again(NamedTuple):
    said: Decision
    verdict: Verdict


def decided(held: Decision, teller: Teller) -> list[Decision]:
    """What had been refused, or cut to fit, because of a hold of this story and is decided otherwise now."""
    said = [one for each in teller.told for one in each]
    found: list[Decision] = []
    for refused, group in groupby(_later(held, said, teller), lambda one: one.said.outcome is Outcome.refused):
        if refused:
            found += _refused(held, said, [one.verdict for one in group], teller)
            continue
        for one in group:
            found += _raised(one, teller)
    return found


def _later(held: Decision, said: Sequence[Decision], teller: Teller) -> list[_Again]:
    """The last words about what came after the hold, which counts where something is free now."""
    freed = {(use.meter, use.bucket, use.learner) for use in held.reserves}
    after = said[said.index(held) :]
    refused = {(*what(one), one.reason) for one in after if one.outcome is Outcome.refused}
    waited = {what(one) for one in said if one.outcome is Outcome.held}
    last = {what(one): one for one in said}
    arrived = {event_id: number for number, event_id in enumerate(teller.events)}
    found = []
    for one in sorted(last.values(), key=lambda one: arrived.get(one.event_id, 0)):
        verdict = None
        if one.learner != held.learner or what(one) == what(held):
            continue
        if one.outcome is Outcome.refused and (*what(one), one.reason) in refused:
            about = (teller.events[one.event_id], one.rule_id, one.role, one.reason)
            verdict = set_free.blocked(*about, rulebook=teller.rulebook, freed=freed)
        elif one.reserves or (one.outcome is Outcome.awarded and what(one) not in waited):
            verdict = _cut(one, after, freed, teller)
        if verdict is not None:
            found.append(_Again(one, verdict))
    return found


def _cut(one: Decision, after: Sequence[Decision], freed: set[UseKey], teller: Teller) -> Verdict | None:
    if not any(one is each for each in after):
        return None
    return raising.cut(teller.events[one.event_id], one.rule_id, one.role, rulebook=teller.rulebook, freed=freed)


def _refused(held: Decision, said: Sequence[Decision], verdicts: Sequence[Verdict], teller: Teller) -> list[Decision]:
    # What is refused again while a later hold keeps something is said again: it is found when that falls too.
    last = {what(one): one for one in said}
    stand = [one for one in said if last[what(one)] is one]
    waits = max((n for n, one in enumerate(stand) if one.learner == held.learner and one.reserves), default=-1)
    before = {(one.event_id, one.rule_id, one.role, one.reason) for one in stand[waits + 1 :]}
    set_free.taken_out(verdicts, teller.state.uses)
    return set_free.otherwise(teller.book(verdicts), before)


def _raised(one: _Again, teller: Teller) -> list[Decision]:
    """An award answered and given anew, or a hold held anew under its number."""
    said, verdict = one
    state, seen = teller.state, verdict.event.seen
    was = undo.award_of(said, seen, 0)
    award = was if said.outcome is Outcome.awarded else replace(was, uses=said.reserves)
    answer = raising.raised(verdict, award, state)
    if answer is None:
        return []
    if said.outcome is Outcome.awarded:
        decisions = raising.given_anew(verdict, award, answer)
        _known_by_its_object(award, decisions[-1], one, teller)
        return [*decisions, *following.after(decisions, verdict.event, said.role, teller.rulebook.recognition, state)]
    beside = said.uses[len(said.reserves) :]
    number = teller.holds[what(said)]
    anew = replace(raising.held_anew(verdict, award, answer, said.reason, beside), supersedes=())
    for use in [use for use in beside if undo.is_object(use)]:
        state.acts.close((use.meter, use.bucket, use.learner), number)
    state.acts.held(anew, number)
    return [anew]


def _known_by_its_object(award: Award, anew: Decision, one: _Again, teller: Teller) -> None:
    """Let an undo find what is given anew, and what was answered no more."""
    objects = [use for use in award.uses if undo.is_object(use)]
    teller.state.acts.answered(objects, award)
    teller.state.acts.paid(objects, undo.award_of(anew, one.verdict.event.seen, 0))
