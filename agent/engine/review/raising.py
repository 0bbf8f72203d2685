"""What a limit that cuts to fit left short because of a hold, given in full once that is free. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from agent.engine import evaluate
from agent.engine.evaluate import Verdict
from agent.engine.past import brake
from agent.engine.past.answer import Answer, Claim, answer_to
from agent.engine.past.state import State
from agent.engine.quota import AWARDS, SCOPE
from agent.engine.rulebook import Rulebook, message
from agent.model import Award, Decision, Event, HoldKind, Outcome, Posting, Use, UseKey

GIVEN_ANEW = "given anew: more fits since what was held before it is settled"
"""Why an award is answered that is given again with more."""


def cut(event: Event, rule_id: str, role: str, *, rulebook: Rulebook, freed: Collection[UseKey]) -> Verdict | None:
    """The verdict of what was paid or held, where a quota that cuts to fit counts in what was ``freed``."""
    judged = [one for one in evaluate.judge(event, rulebook) if not (one.undoes or one.reason)]
    cuts = (
        one
        for one in judged
        if (one.rule.id, one.payee.role) == (rule_id, role)
        for quota, bucket in one.places
        if quota.over == "trim" and not set(freed).isdisjoint(quota.keys(bucket, one.learner, ""))
    )
    return next(cuts, None)


def raised(verdict: Verdict, award: Award, state: State) -> Answer | None:
    """More than an award (or hold) has, with its uses; None where no more fits, and ``state`` is as it was.

    It has its place already: only amounts are asked for.
    """
    for use in award.uses:
        state.uses.release(use)
    found = brake.resolved(verdict.places, "", state.uses)
    found = tuple((quota, bucket) for quota, bucket in found if quota.unit != AWARDS)
    at = verdict.event.seen.occurred_at
    claim = Claim(verdict.learner, at, verdict.postings, found, verdict.calendar, "")
    answer = answer_to(claim, state)
    if award.learner != verdict.learner or answer.quota is not None or not _is_more(answer.postings, award.postings):
        for use in answer.uses:
            state.uses.release(use)
        state.uses.learn(award.uses)
        return None
    asked = {_key(use) for use in answer.uses}
    scopes = {quota.key(bucket, verdict.learner, "") for quota, bucket in verdict.places if quota.span is SCOPE}
    place = tuple(
        replace(use, slot=state.uses.generation(_key(use)) if _key(use) in scopes else -1)
        for use in award.uses
        if _key(use) not in asked
    )
    state.uses.learn(place)
    generation = next((use.slot for use in place if use.slot >= 0), award.generation)
    return answer._replace(uses=(*place, *answer.uses), generation=generation)


def _key(use: Use) -> UseKey:
    return use.meter, use.bucket, use.learner


def _is_more(now: Collection[Posting], before: Collection[Posting]) -> bool:
    amounts = {posting.currency: posting.amount for posting in now}
    return all(amounts.get(one.currency, 0) >= one.amount for one in before) and tuple(now) != tuple(before)


def given_anew(verdict: Verdict, award: Award, answer: Answer) -> list[Decision]:
    """The award answered, and given with all that fits."""
    instead = f"instead of {', '.join(award.entries)}; {GIVEN_ANEW}" if award.entries else GIVEN_ANEW
    opposite = tuple(replace(posting, amount=-posting.amount) for posting in award.postings)
    return [
        replace(
            _decision(verdict, Outcome.reversed, award.scope, GIVEN_ANEW),
            generation=award.generation,
            postings=opposite,
            reverses=award,
        ),
        replace(
            _decision(verdict, Outcome.awarded, award.scope, instead),
            generation=answer.generation,
            postings=answer.postings,
            uses=answer.uses,
            message=message(verdict.rule.spec.message, verdict.event.seen),
        ),
    ]


def held_anew(verdict: Verdict, award: Award, answer: Answer, reason: str, beside: Collection[Use]) -> Decision:
    """The hold ``-award.marker`` closed, and held with all that fits; ``beside`` are uses that it does not reserve."""
    return replace(
        _decision(verdict, Outcome.held, award.scope, reason),
        hold=HoldKind.review,
        generation=answer.generation,
        postings=answer.postings,
        uses=(*answer.uses, *beside),
        reserves=answer.uses,
        supersedes=(-award.marker,),
        message=message(verdict.rule.spec.message, verdict.event.seen),
    )


def _decision(verdict: Verdict, outcome: Outcome, scope: str, reason: str) -> Decision:
    return Decision(
        event_id=verdict.event.event_id,
        rule_id=verdict.rule.id,
        rules_version=verdict.rule.version,
        role=verdict.payee.role,
        learner=verdict.learner,
        outcome=outcome,
        scope=scope,
        reason=reason,
        checks=verdict.checks,
    )
