"""What a hold for review kept from others: refusals to decide again once that is free. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from agent.engine import evaluate
from agent.engine.evaluate import Verdict
from agent.engine.quota import Uses
from agent.engine.rulebook import Rulebook
from agent.model import Decision, Event, Outcome, UseKey


def blocked(
    event: Event, rule_id: str, role: str, reason: str, *, rulebook: Rulebook, freed: Collection[UseKey]
) -> Verdict | None:
    """The verdict to book again, where the quota that refused it (``reason``) counts in what was ``freed``.

    Its checks have spoken when it came: what happened since is not held against it. What its set brought about was told
    then, for a member stands whether or not it was paid.
    """
    judged = evaluate.judge(event, rulebook)
    verdict = next((one for one in judged if not one.undoes and (one.rule.id, one.payee.role) == (rule_id, role)), None)
    if verdict is None or verdict.reason:
        return None
    for quota, bucket in verdict.places:
        if quota.label == reason and not set(freed).isdisjoint(quota.keys(bucket, verdict.learner, "")):
            return verdict._replace(guards=(), then=None)
    return None


def taken_out(verdicts: Iterable[Verdict], uses: Uses) -> None:
    """Take what refused acts put into their sets out again: only what is new in a set is paid."""
    for verdict in verdicts:
        if verdict.act is not None:
            uses.forget(verdict.act.note(verdict.learner))


Refused = tuple[bytes, str, str, str]
"""Of a refusal: the event's id, the rule, the role, and the reason."""


def otherwise(decisions: Sequence[Decision], before: Collection[Refused]) -> list[Decision]:
    """What is not refused again as ``before``; what names another decision of the list names it at its new place.

    What is refused for another reason now says so: by that it is found when this one falls, and an undo finds what was
    done again.
    """
    kept = [number for number, one in enumerate(decisions, 1) if _refused(one) not in before]
    place = {number: new for new, number in enumerate(kept, 1)}
    found = []
    for number in kept:
        decision = decisions[number - 1]
        supersedes = tuple(no if no > 0 else -place[-no] for no in decision.supersedes)
        award = decision.reverses
        if award is not None and award.number:
            award = replace(award, number=place[award.number])
        found.append(replace(decision, supersedes=supersedes, reverses=award))
    return found


def _refused(one: Decision) -> Refused | None:
    return (one.event_id, one.rule_id, one.role, one.reason) if one.outcome is Outcome.refused else None
