"""What approving a held decision comes to, within the quotas and caps of the day. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agent.engine.booking import State, ask, keeps_holds
from agent.engine.earning import sets
from agent.engine.earning.sets import Act, Due
from agent.engine.evaluate import places
from agent.engine.past import undo
from agent.engine.past.answer import Claim, amounts_of, answer_to, closed_by
from agent.engine.quota import Places
from agent.engine.recognition import asked
from agent.engine.review.adjusting import adjusted
from agent.engine.rulebook import CompiledRule, Rulebook
from agent.errors import InvalidInputError
from agent.model import Decision, Observation, Outcome, StateRequest, Use, UseKey


def wants(decision: Decision, held_under: Rulebook, now: Rulebook, *, source: str = "") -> StateRequest:
    """What must be read of the past to `approve` this held decision about an act of a source."""
    rows: set[UseKey] = set()
    totals: set[UseKey] = set()
    if decision.scope:
        found = _approved_places(decision, held_under, now, source)
        ask(found, decision.learner, "", rows, totals)
        for act in _acts_in(decision, held_under):
            rows.add((act.form.meter, act.scope, decision.learner))
            rows.add(sets.elsewhere(found, decision.learner, ""))
    key = (decision.rule_id, decision.learner, decision.scope)
    request = StateRequest(rows=frozenset(rows), totals=frozenset(totals), holds=frozenset({key}))
    return request if now.recognition is None else asked.of(request, now.recognition, [decision.learner])


def require_agreement(decision: Decision, seen: Observation) -> None:
    """See that no approval stands for the agreement of a learner who is asked first.

    Raises:
        InvalidInputError: whether the learner of a held decision had agreed is not known.
    """
    lacking = {seen.learner(user) for user, mark in seen.person_marks.items() if mark == "agreement_unknown"}
    if decision.learner in lacking:
        raise InvalidInputError(
            f"{decision.learner} may not have agreed to take part, and nobody can agree for them",
            hint="where they did agree: rewards-agent learner opt-in, for what they do from then on",
        )


def approve(
    decision: Decision,
    held_under: Rulebook,
    now: Rulebook,
    state: State,
    wanted: Mapping[str, int] | None = None,
    *,
    source: str = "",
) -> Decision:
    """What approving a held decision about an act of a ``source`` comes to: awarded, or refused with the full quota.

    Pays what the version that held it promised; caps are those of the version in force. An approval is above the
    budget, and counts in it. `supersedes` names the other holds of its scope, once that is used up.
    ``wanted`` are amounts (smallest units by currency) instead of the promised ones.

    Raises:
        InvalidInputError: ``wanted`` is outside the rule's guardrails.
    """
    reason = ""
    if wanted:
        changed = adjusted(decision, held_under, wanted)
        reason = changed.reason if changed is not decision else ""
        decision = changed
    settled = replace(decision, outcome=Outcome.refused, hold=None, postings=(), uses=(), reserves=(), message="")
    if not decision.scope:
        return replace(settled, reason="no scope: the event lacks what the rule counts by")
    found = _approved_places(decision, held_under, now, source)
    notes: tuple[Use, ...] = ()
    for act in _acts_in(decision, held_under):
        notes, due = sets.put(act, decision.learner, state.uses, approved=True)
        if notes:
            settled = replace(settled, completes=due.done)
            notes += _brings(due, decision, held_under)
        if not due.awards:
            return replace(settled, reason=due.told, notes=notes)
        found = sets.allowed(found, act, due, decision.learner, state.uses)
    claim = Claim(
        learner=decision.learner,
        at=decision.uses[0].at,
        postings=decision.postings,
        places=found,
        calendar=now.calendar,
        prefix="",
        approved=True,
        generation=max((use.slot for use in decision.reserves), default=-1),
    )
    answer = answer_to(claim, state)
    if answer.quota is not None:
        return replace(settled, reason=answer.quota.label, until=answer.until, notes=notes)
    keeps = keeps_holds(_promised(decision, held_under))
    return replace(
        settled,
        outcome=Outcome.awarded,
        reason=reason,
        generation=answer.generation,
        postings=answer.postings,
        uses=(*answer.uses, *(use for use in decision.uses if undo.is_object(use))),
        supersedes=() if keeps else closed_by(claim, decision.rule_id, decision.scope, state),
        message=decision.message,
        notes=notes,
    )


def _brings(due: Due, decision: Decision, held_under: Rulebook) -> tuple[Use, ...]:
    """What the completion by an approved act enrols into; the next act of that learner there finds it."""
    then = _promised(decision, held_under).then
    if then is None or then.form is None or then.form.mark is None:
        return ()
    return tuple(Act(then.form, "ever", then.form.mark(at), at).note(decision.learner) for at in due.completed)


def _acts_in(decision: Decision, held_under: Rulebook) -> tuple[Act, ...]:
    """What a held decision would add to the set of its rule (one act, or none)."""
    form = _promised(decision, held_under).form
    act = None if form is None else sets.act_of(decision.uses, form)
    return () if act is None else (act,)


def _approved_places(decision: Decision, held_under: Rulebook, now: Rulebook, source: str) -> Places:
    """The rule's own quotas as they were promised, the shared ones as they are now.

    Of a scheduled reward every place is a recipient: what was promised tells whose quotas are meant.
    """
    at = decision.uses[0].at
    rule = _promised(decision, held_under)
    pays = amounts_of(decision.postings)
    theirs = {quota.meter: quota for payee in rule.payees if payee.role == decision.role for quota in payee.own}
    own = (rule.once_of(decision.scope).quota, *(quota for quota in theirs.values() if quota.unit in pays))
    shared = tuple(quota for quota in now.shared(rule.spec.group) if quota.unit in pays)
    return (
        *places(own, at, held_under.calendar.moment(at), decision.scope, source),
        *places(shared, at, now.calendar.moment(at), decision.scope, source),
    )


def _promised(decision: Decision, rulebook: Rulebook) -> CompiledRule:
    """The rule that a decision of this rulebook speaks of.

    Raises:
        InvalidInputError: there is none.
    """
    rule = rulebook.paying(decision.rule_id)
    if rule is None:
        raise InvalidInputError(
            f"the rules that held it have no rule {decision.rule_id}",
            hint="reject it, and give what it promised by hand: rewards-agent ledger adjust",
        )
    return rule
