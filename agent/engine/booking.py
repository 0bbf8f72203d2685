"""What needs the past: a fold over verdicts in which every decision is visible to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from agent.engine.calendar import Calendar
from agent.engine.evaluate import Places, Verdict, places
from agent.engine.quota import AWARDS, CALENDAR, ROLLING, SCOPE, SHADOW, Quota, Uses, until
from agent.engine.rulebook import BADGE, CompiledRule, Payee, Rulebook, message, names_in, once
from agent.model import Decision, HoldKey, HoldKind, Outcome, Posting, StateRequest, Use, UseKey, noun

# As in `quota`: looked up once.
_AWARDED, _HELD, _REFUSED, _SHADOW = Outcome.awarded, Outcome.held, Outcome.refused, Outcome.shadow


class State:
    """What a page knows of the past, and of itself: uses of quotas and open holds."""

    __slots__ = ("holds", "uses")

    def __init__(self, uses: Uses, holds: dict[HoldKey, tuple[int, ...]]) -> None:
        self.uses = uses
        self.holds = holds

    @classmethod
    def load(cls, uses: Iterable[Use], holds: Mapping[HoldKey, tuple[int, ...]]) -> State:
        """From what the ledger found for a `StateRequest`."""
        return cls(Uses(uses), dict(holds))


@noun
class _Claim:
    """An award that wants to be booked."""

    learner: str
    at: int
    postings: tuple[Posting, ...]
    places: Places
    calendar: Calendar
    prefix: str
    approved: bool = False


class _Answer(NamedTuple):
    """What the quotas say: what is paid and used, or the ``quota`` that refuses or holds and until when."""

    postings: tuple[Posting, ...] = ()
    uses: tuple[Use, ...] = ()
    generation: int = 0
    quota: Quota | None = None
    until: int | None = None


def wants(verdicts: Iterable[Verdict], *, shadow: bool = False) -> StateRequest:
    """What must be read of the past to book these verdicts (with the same ``shadow`` as `book`)."""
    rows: set[UseKey] = set()
    totals: set[UseKey] = set()
    holds: set[HoldKey] = set()
    for verdict in verdicts:
        if verdict.reason:
            continue
        prefix = _prefix(verdict, shadow=shadow)
        _ask(verdict.places, verdict.learner, prefix, rows, totals)
        if not prefix:
            holds.add((verdict.rule.id, verdict.learner, verdict.scope))
    return StateRequest(rows=frozenset(rows), totals=frozenset(totals), holds=frozenset(holds))


def _ask(found: Places, learner: str, prefix: str, rows: set[UseKey], totals: set[UseKey]) -> None:
    for quota, bucket in found:
        (totals if quota.span is CALENDAR else rows).update(quota.keys(bucket, learner, prefix))


def _prefix(verdict: Verdict, *, shadow: bool) -> str:
    return SHADOW if shadow or verdict.rule.mode == "shadow" else ""


def book(verdicts: Sequence[Verdict], state: State, *, shadow: bool) -> list[Decision]:
    """One decision for each verdict, in order; ``state`` goes along.

    ``shadow`` decides everything and pays nothing. In `Decision.supersedes` a number below zero names a hold of this
    same list: -1 is its first decision.
    """
    decisions: list[Decision] = []
    for number, verdict in enumerate(verdicts, 1):
        prefix = _prefix(verdict, shadow=shadow)
        decision = _refused_or_held(verdict) if verdict.reason else _booked(verdict, state, prefix)
        if decision.outcome is _HELD:
            if prefix:
                decision = _not_held(decision)
            else:
                key = (decision.rule_id, decision.learner, decision.scope)
                state.holds[key] = (*state.holds.get(key, ()), -number)
        decisions.append(decision)
    return decisions


def _refused_or_held(verdict: Verdict) -> Decision:
    if verdict.hold is None:
        return _decision(verdict, _REFUSED, reason=verdict.reason)
    return _held(verdict, verdict.hold, verdict.reason)


def _held(verdict: Verdict, hold: HoldKind, reason: str) -> Decision:
    """Waiting, with the promise of what an approval would book; nothing is reserved."""
    amounts = _amounts(verdict.postings)
    at = verdict.event.seen.occurred_at
    return replace(
        _decision(verdict, _HELD, reason=reason, hold=hold),
        postings=verdict.postings,
        uses=tuple(quota.use(bucket, verdict.learner, at, amounts[quota.unit]) for quota, bucket in verdict.places),
        message=message(verdict.rule.spec.message, verdict.event.seen),
    )


def _not_held(decision: Decision) -> Decision:
    """Shadow keeps nobody waiting: there would be nothing to approve."""
    reason = f"would be held: {decision.reason}"
    return replace(decision, outcome=_REFUSED, reason=reason, hold=None, postings=(), uses=(), message="")


def _booked(verdict: Verdict, state: State, prefix: str) -> Decision:
    answer = _answer(
        _Claim(
            learner=verdict.learner,
            at=verdict.event.seen.occurred_at,
            postings=verdict.postings,
            places=verdict.places,
            calendar=verdict.calendar,
            prefix=prefix,
        ),
        state,
    )
    if answer.quota is not None:
        if answer.quota.over == "hold":
            return _held(verdict, HoldKind.budget, answer.quota.label)
        return _decision(verdict, _REFUSED, reason=answer.quota.label, until=answer.until)
    key = (verdict.rule.id, verdict.learner, verdict.scope)
    return Decision(
        event_id=verdict.event.event_id,
        rule_id=verdict.rule.id,
        rules_version=verdict.rule.version,
        role=verdict.payee.role,
        learner=verdict.learner,
        outcome=_SHADOW if prefix else _AWARDED,
        scope=verdict.scope,
        generation=answer.generation,
        checks=verdict.checks,
        postings=answer.postings,
        uses=answer.uses,
        supersedes=() if prefix else state.holds.pop(key, ()),
        message=message(verdict.rule.spec.message, verdict.event.seen),
    )


def _decision(
    verdict: Verdict, outcome: Outcome, *, reason: str, hold: HoldKind | None = None, until: int | None = None
) -> Decision:
    return Decision(
        event_id=verdict.event.event_id,
        rule_id=verdict.rule.id,
        rules_version=verdict.rule.version,
        role=verdict.payee.role,
        learner=verdict.learner,
        outcome=outcome,
        scope=verdict.scope,
        reason=reason,
        until=until,
        hold=hold,
        checks=verdict.checks,
    )


def _amounts(postings: Iterable[Posting]) -> dict[str, int]:
    """What each unit of a quota counts of an award."""
    return {AWARDS: 1, **{posting.currency: posting.amount for posting in postings}}


def _answer(claim: _Claim, state: State) -> _Answer:
    """Asks every quota in order; only when all agree is anything used."""
    amounts = _amounts(claim.postings)
    asked = [(quota, bucket, quota.key(bucket, claim.learner, claim.prefix)) for quota, bucket in claim.places]
    emptied = _trim(asked, amounts, claim, state)
    for quota, _, key in asked:
        needed = 1 if quota is emptied else amounts[quota.unit]
        if state.uses.room(quota, key, claim.at) < needed and not (claim.approved and quota.over == "hold"):
            if quota.span is ROLLING:
                return _Answer(quota=quota, until=state.uses.free_at(quota, key, claim.at, needed))
            return _Answer(quota=quota, until=until(quota, claim.calendar, claim.at))
    return _use(asked, amounts, claim, state)


_Asked = Sequence[tuple[Quota, str, UseKey]]


def _trim(asked: _Asked, amounts: dict[str, int], claim: _Claim, state: State) -> Quota | None:
    """Lowers ``amounts`` to what fits the quotas that trim; returns the one that leaves nothing at all to pay."""
    for quota, _, key in asked:
        if quota.over != "trim" or not amounts[quota.unit]:
            continue
        amounts[quota.unit] = min(amounts[quota.unit], state.uses.room(quota, key, claim.at))
        if not any(amounts[posting.currency] for posting in claim.postings):
            return quota
    return None


def _use(asked: _Asked, amounts: dict[str, int], claim: _Claim, state: State) -> _Answer:
    """Books: one use for each meter, visible to what follows."""
    generation = 0
    uses: dict[UseKey, Use] = {}
    for quota, _, key in asked:
        amount = amounts[quota.unit]
        if amount and key not in uses:
            slot = -1
            if quota.span is SCOPE:
                slot = generation = state.uses.generation(key)
            uses[key] = Use(meter=key[0], bucket=key[1], learner=key[2], at=claim.at, amount=amount, slot=slot)
            state.uses.book(uses[key], key, quota.span)
    return _Answer(_paid(claim.postings, amounts), tuple(uses.values()), generation)


def _paid(postings: tuple[Posting, ...], amounts: Mapping[str, int]) -> tuple[Posting, ...]:
    """The postings as they were trimmed; those of nothing are left out."""
    if all(0 < posting.amount == amounts[posting.currency] for posting in postings):
        return postings
    trimmed = (Posting(currency=posting.currency, amount=amounts[posting.currency]) for posting in postings)
    return tuple(posting for posting in trimmed if posting.amount)


def wants_approval(decision: Decision, held_under: Rulebook, now: Rulebook) -> StateRequest:
    """What must be read of the past to `approve` this held decision."""
    rows: set[UseKey] = set()
    totals: set[UseKey] = set()
    if decision.uses:
        _ask(_approved_places(decision, held_under, now), decision.learner, "", rows, totals)
    key = (decision.rule_id, decision.learner, decision.scope)
    return StateRequest(rows=frozenset(rows), totals=frozenset(totals), holds=frozenset({key}))


def approve(decision: Decision, held_under: Rulebook, now: Rulebook, state: State) -> Decision:
    """What approving a held decision comes to: awarded, or refused with the quota that is full by now.

    Pays what the version that held it promised; caps are those of the version in force. An approval is above the
    budget, and counts in it. `supersedes` names every open hold of the scope, the approved one among them.
    """
    settled = replace(decision, outcome=_REFUSED, hold=None, postings=(), uses=(), message="")
    if not decision.uses:
        return replace(settled, reason="no scope: the event lacks what the rule counts by")
    answer = _answer(
        _Claim(
            learner=decision.learner,
            at=decision.uses[0].at,
            postings=decision.postings,
            places=_approved_places(decision, held_under, now),
            calendar=now.calendar,
            prefix="",
            approved=True,
        ),
        state,
    )
    if answer.quota is not None:
        return replace(settled, reason=answer.quota.label, until=answer.until)
    key = (decision.rule_id, decision.learner, decision.scope)
    return replace(
        settled,
        outcome=_AWARDED,
        reason="",
        generation=answer.generation,
        postings=answer.postings,
        uses=answer.uses,
        supersedes=state.holds.pop(key, ()),
        message=decision.message,
    )


def _approved_places(decision: Decision, held_under: Rulebook, now: Rulebook) -> Places:
    """The rule's own quotas as they were promised, the shared ones as they are now."""
    at = decision.uses[0].at
    rule, payee = _promised(decision, held_under)
    own = (once(rule.spec, names_in(decision.scope)).quota, *payee.own)
    pays = _amounts(decision.postings)
    shared = tuple(quota for quota in now.shared(rule.spec.group) if quota.unit in pays)
    return (
        *places(own, at, held_under.calendar.moment(at), decision.scope),
        *places(shared, at, now.calendar.moment(at), decision.scope),
    )


def _promised(decision: Decision, rulebook: Rulebook) -> tuple[CompiledRule, Payee]:
    """The rule and recipient that a decision of this rulebook speaks of."""
    return next(
        (rule, payee)
        for rule in rulebook.rules
        if rule.id == decision.rule_id
        for payee in rule.payees
        if payee.role == decision.role
    )


def uses_of(
    rulebook: Rulebook, rule_id: str, learner: str, occurred_at: int, amounts: Mapping[str, int]
) -> Iterable[Use]:
    """The uses that an award of old takes from today's quotas, `once:` ones left out.

    ``amounts`` are what was paid per currency. A rule that no longer exists still counts in caps over all rules.
    Entries do not tell the recipient's role: where a rule has several, the one whose currencies fit is taken.
    """
    moment = rulebook.calendar.moment(occurred_at)
    counted = {AWARDS: 1, **amounts}
    return tuple(
        quota.use(bucket, learner, occurred_at, counted[quota.unit])
        for quota, bucket in places(_quotas_for(rulebook, rule_id, amounts), occurred_at, moment, "")
        if counted.get(quota.unit, 0) > 0
    )


def _quotas_for(rulebook: Rulebook, rule_id: str, amounts: Mapping[str, int]) -> tuple[Quota, ...]:
    rule = rulebook.rule(rule_id)
    if rule is None:
        return _once_each(rulebook.shared(None))
    paid = set(amounts)
    fitting = [
        payee for payee in rule.payees if paid == {each for each in _amounts(payee.postings) if _is_currency(each)}
    ]
    chosen = fitting[0] if fitting else rule.payees[0]
    return _once_each((*chosen.own, *chosen.shared))


def _is_currency(unit: str) -> bool:
    return unit != AWARDS and not unit.startswith(BADGE)


def _once_each(quotas: Iterable[Quota]) -> tuple[Quota, ...]:
    return tuple({quota.meter: quota for quota in quotas}.values())
