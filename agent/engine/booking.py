"""What needs the past: a fold over verdicts in which every decision is visible to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from agent.engine import fairness
from agent.engine.earning import sets
from agent.engine.evaluate import WOULD_BE_HELD, Verdict
from agent.engine.past import brake, following, undo
from agent.engine.past.answer import Claim, amounts_of, answer_to, closed_by
from agent.engine.past.state import State
from agent.engine.past.undo import AGAIN, OBJECT, UNDONE
from agent.engine.quota import CALENDAR, ROLLING, SCOPE, SHADOW, Places
from agent.engine.recognition import asked
from agent.engine.rulebook import CompiledRule, message
from agent.model import Award, Decision, HoldKey, HoldKind, Outcome, Posting, StateRequest, Use, UseKey

__all__ = ["State", "ask", "book", "wants"]

# As in `quota`: looked up once.
_AWARDED, _HELD, _REFUSED, _SHADOW = Outcome.awarded, Outcome.held, Outcome.refused, Outcome.shadow
_REVERSED = Outcome.reversed


def wants(verdicts: Iterable[Verdict], *, shadow: bool = False) -> StateRequest:
    """What must be read of the past to book these verdicts (with the same ``shadow`` as `book`)."""
    rows: set[UseKey] = set()
    totals: set[UseKey] = set()
    holds: set[HoldKey] = set()
    objects: set[UseKey] = set()
    learners: set[str] = set()
    recognition = None
    todo = list(verdicts)
    for verdict in todo:
        recognition = verdict.rule.recognition or recognition
        prefix = _prefix(verdict, shadow=shadow)
        if verdict.guards:
            rows.update(key for guard in verdict.guards for key in guard.keys)
        if verdict.refs:
            rows.update(undo.key(AGAIN if verdict.undoes else UNDONE, verdict.rule.id, r, prefix) for r in verdict.refs)
        if verdict.reason:
            continue
        if verdict.undoes:
            objects.update(undo.key(OBJECT, verdict.rule.id, ref, prefix) for ref in verdict.refs)
            continue
        ask(verdict.places, verdict.learner, prefix, rows, totals)
        if verdict.rule.braked:
            brake.ask(verdict.places, prefix, totals)
        if verdict.act is not None:
            rows.add((verdict.act.form.meter, verdict.scope, verdict.learner))
            rows.add(sets.elsewhere(verdict.places, verdict.learner, prefix))
        if verdict.then is not None:
            todo.append(verdict.then)
        if not prefix:
            holds.add((verdict.rule.id, verdict.learner, verdict.scope))
            learners.add(verdict.learner)
    request = StateRequest(
        rows=frozenset(rows), totals=frozenset(totals), holds=frozenset(holds), objects=frozenset(objects)
    )
    return request if recognition is None else asked.of(request, recognition, learners)


def ask(found: Places, learner: str, prefix: str, rows: set[UseKey], totals: set[UseKey]) -> None:
    """Add to ``rows`` and ``totals`` what must be known of these places."""
    for quota, bucket in found:
        if quota.span is ROLLING:
            rows.update(quota.keys(bucket, learner, prefix))
        else:
            (totals if quota.span is CALENDAR else rows).add(quota.key(bucket, learner, prefix))


def _prefix(verdict: Verdict, *, shadow: bool) -> str:
    return SHADOW if shadow or verdict.rule.mode == "shadow" else ""


def book(verdicts: Sequence[Verdict], state: State, *, shadow: bool) -> list[Decision]:
    """One decision for each verdict, in order (an undo: one for each award it answers); ``state`` goes along.

    ``shadow`` decides everything and pays nothing. In `Decision.supersedes` a number below zero names a hold of this
    same list: -1 is its first decision.
    """
    decisions: list[Decision] = []
    todo = list(verdicts)
    for place, verdict in enumerate(todo, 1):
        prefix = _prefix(verdict, shadow=shadow)
        number = len(decisions) + 1
        if verdict.undoes:
            decisions.extend(_undone(verdict, state, prefix))
        else:
            fair = fairness.asked(verdict.guards, state.uses) if verdict.guards else None
            decision = _decided(verdict, state, prefix, number, fair)
            decisions.append(decision if fair is None else fair.beside(decision))
            if verdict.then is not None and decision.notes:
                todo[place:place] = _brought_about(verdict, state)
        if (recognition := verdict.rule.recognition) is not None:
            brought, role = decisions[number - 1 :], verdict.payee.role
            decisions.extend(following.after(brought, verdict.event, role, recognition, state, len(decisions) + 1))
    return decisions


def _brought_about(verdict: Verdict, state: State) -> list[Verdict]:
    """What each completion of a set asks to decide, as of the time when it was complete."""
    act, then = verdict.act, verdict.then
    if act is None or then is None or then.act is None:
        return []
    return [then._replace(act=then.act.moved(at)) for at in sets.completed(act, verdict.learner, state.uses)]


def _decided(verdict: Verdict, state: State, prefix: str, number: int, fair: fairness.Fair | None) -> Decision:
    """The decision of one verdict that undoes nothing; it is the ``number``-th of its page."""
    decision = _undone_before(verdict, state, prefix) if verdict.refs else None
    if decision is None:
        decision = _refused_or_held(verdict) if verdict.reason else _earned(verdict, state, prefix, fair)
        if fair is not None and fair.refused and decision.hold is not None:
            # Nothing that it waits for could save it.
            decision = _decision(verdict, _REFUSED, reason=fair.refused)
    if decision.outcome is _HELD:
        if prefix:
            return _not_held(decision)
        if not decision.reserves:
            key = (decision.rule_id, decision.learner, decision.scope)
            state.holds[key] = (*state.holds.get(key, ()), -number)
        state.acts.held(decision, -number)
    elif verdict.refs and decision.outcome is not _REFUSED:
        objects = _objects(verdict, prefix)
        decision = replace(decision, uses=decision.uses + objects)
        state.acts.paid(objects, undo.award_of(decision, verdict.event.seen, number))
    return decision


def _objects(verdict: Verdict, prefix: str) -> tuple[Use, ...]:
    """What an award was about, so that an undo finds it."""
    seen = verdict.event.seen
    return tuple(undo.mark(undo.key(OBJECT, verdict.rule.id, ref, prefix), seen) for ref in verdict.refs)


def _undone_before(verdict: Verdict, state: State, prefix: str) -> Decision | None:
    """The refusal of an act whose undo was seen before it."""
    seen = verdict.event.seen
    for ref in verdict.refs:
        marks = state.uses.marks(undo.key(UNDONE, verdict.rule.id, ref, prefix))
        if undo.later(marks, undo.when(seen)):
            return _decision(verdict, _REFUSED, reason="undone")
    return None


def _undone(verdict: Verdict, state: State, prefix: str) -> list[Decision]:
    """The reversals of what an event undoes; where there is none, that it undid nothing yet. It is kept either way."""
    if verdict.reason:
        return [_decision(verdict, _REFUSED, reason=verdict.reason)]
    seen, rule = verdict.event.seen, verdict.rule.id
    when = undo.when(seen)
    again, awards, closed, marks = False, list[Award](), tuple[int, ...](), list[Use]()
    for ref in verdict.refs:
        since = partial(_done_since, rule, ref, when, state, prefix)
        taken = state.acts.take(undo.key(OBJECT, rule, ref, prefix), when, since)
        for hold in taken.holds:
            closed += (hold.number,)
            for use in hold.reserves:
                state.uses.release(use)
        again = again or taken.again
        awards += taken.awards
        marks.append(undo.mark(undo.key(UNDONE, rule, ref, prefix), seen))
        state.uses.mark(marks[-1])
    reason = f"no longer true: {verdict.because}" if verdict.because else f"undone: {seen.kind or seen.lms_event}"
    decisions = [_reversal(verdict, award, reason, prefix, state) for award in awards]
    if not decisions:
        told = "done again since" if again else f"held decision {reason}" if closed else verdict.because
        decisions = [_decision(verdict, _REFUSED, reason=told or "nothing to undo")]
    decisions[0] = replace(decisions[0], uses=tuple(marks), supersedes=closed)
    return decisions


def _done_since(rule: str, ref: undo.Ref, when: undo.When, state: State, prefix: str, learner: str, scope: str) -> int:
    """How often a learner was refused after ``when`` for doing again what had used up a scope.

    Ledgers of before have marks that name no scope; those count for any.
    """
    mine = undo.again_ref(ref, learner, scope)
    marks = [mark for each in (mine, ref) for mark in state.uses.marks(undo.key(AGAIN, rule, each, prefix))]
    return len({(mark.at, mark.amount) for mark in marks if undo.later((mark,), when)})


def _reversal(verdict: Verdict, award: Award, reason: str, prefix: str, state: State) -> Decision:
    for use in award.uses:
        state.uses.free(use)
    return replace(
        _decision(verdict, _SHADOW if prefix else _REVERSED, reason=reason),
        role=award.role,
        learner=award.learner,
        scope=award.scope,
        generation=award.generation,
        postings=tuple(replace(posting, amount=-posting.amount) for posting in award.postings),
        reverses=award,
    )


def _refused_or_held(verdict: Verdict) -> Decision:
    if verdict.hold is None:
        return _decision(verdict, _REFUSED, reason=verdict.reason)
    return _held(verdict, verdict.hold, verdict.reason)


def _held(verdict: Verdict, hold: HoldKind, reason: str) -> Decision:
    """Waiting, with the promise of what an approval would book."""
    amounts = amounts_of(verdict.postings)
    at = verdict.event.seen.occurred_at
    return replace(
        _decision(verdict, _HELD, reason=reason, hold=hold),
        postings=verdict.postings,
        uses=(
            *(quota.use(bucket, verdict.learner, at, amounts[quota.unit]) for quota, bucket in verdict.places),
            *_objects(verdict, ""),
            *((verdict.act.note(verdict.learner),) if verdict.act is not None else ()),
        ),
        message=message(verdict.rule.spec.message, verdict.event.seen),
    )


def _not_held(decision: Decision) -> Decision:
    """Shadow keeps nobody waiting: there would be nothing to approve."""
    reason = f"{WOULD_BE_HELD}{decision.reason}"
    return replace(decision, outcome=_REFUSED, reason=reason, hold=None, postings=(), uses=(), message="")


def _earned(verdict: Verdict, state: State, prefix: str, fair: fairness.Fair | None) -> Decision:
    """Where a set decides: what the act adds, and an award as often as is due. Shadow keeps the same sets."""
    if fair is not None and (fair.refused or fair.held):
        if fair.refused:
            return _decision(verdict, _REFUSED, reason=fair.refused)
        # A set decides only with the act in it, and an act that is in doubt is not put there: nothing is reserved.
        doubted = verdict.act is not None or prefix
        return (
            _held(verdict, HoldKind.review, fair.held) if doubted else _booked(verdict, state, prefix, held=fair.held)
        )
    if verdict.act is None:
        return _booked(verdict, state, prefix)
    notes, due = sets.put(verdict.act, verdict.learner, state.uses)
    if not due.awards:
        return _decision(verdict, _REFUSED, reason=due.told, notes=notes, completes=due.done if notes else ())
    found = sets.allowed(verdict.places, verdict.act, due, verdict.learner, state.uses, prefix)
    decision = _booked(verdict._replace(places=found), state, prefix)
    return replace(decision, notes=notes, completes=due.done) if notes else decision


def _booked(verdict: Verdict, state: State, prefix: str, *, held: str = "") -> Decision:
    """Paid where all quotas agree; where a person must look at it (``held`` or the rule says so) it keeps its place."""
    event, rule, payee, calendar, learner, _, _, checks, scope, *_ = verdict
    recognition = rule.recognition
    if recognition is not None and (lacks := state.record.lacking(recognition, rule.id, learner)):
        return _decision(verdict, _REFUSED, reason=lacks)
    seen = event.seen
    found = brake.resolved(verdict.places, prefix, state.uses) if rule.braked else verdict.places
    claim = Claim(learner, seen.occurred_at, verdict.postings, found, calendar, prefix)
    paid, uses, generation, full, until = answer_to(claim, state)
    if full is not None:
        if full.over == "hold":
            return _held(verdict, HoldKind.budget, full.label)
        refused = _decision(verdict, _REFUSED, reason=full.label, until=until)
        return _done_again(refused, verdict, state, prefix) if full.span is SCOPE else refused
    held = held or rule.review
    if held and not prefix:
        return _reserved(_held(verdict, HoldKind.review, held), paid, uses, generation)
    return Decision(
        event_id=event.event_id,
        rule_id=rule.id,
        rules_version=rule.version,
        role=payee.role,
        learner=learner,
        outcome=_SHADOW if prefix else _AWARDED,
        scope=scope,
        generation=generation,
        reason=f"{WOULD_BE_HELD}{held}" if held else "",
        checks=checks,
        postings=paid,
        uses=uses,
        supersedes=closed_by(claim, rule.id, scope, state) if state.holds and not (prefix or keeps_holds(rule)) else (),
        message=message(rule.spec.message, seen),
    )


def _reserved(held: Decision, paid: tuple[Posting, ...], uses: tuple[Use, ...], generation: int) -> Decision:
    """The hold with what its quotas keep for it: nobody else takes that until somebody has decided."""
    meters = {use.meter for use in uses}
    others = tuple(use for use in held.uses if undo.is_object(use) or (use.slot >= 0 and use.meter not in meters))
    return replace(held, postings=paid, uses=(*uses, *others), reserves=uses, generation=generation)


def keeps_holds(rule: CompiledRule) -> bool:
    """Whether an award of the rule leaves what waits open, because that may make a further one."""
    return rule.form is not None and rule.form.repeats


def _done_again(refused: Decision, verdict: Verdict, state: State, prefix: str) -> Decision:
    """A later act of a paid scope earns nothing, but an undo between the two must not take the award back."""
    refs = [undo.again_ref(ref, verdict.learner, verdict.scope) for ref in verdict.refs]
    marks = [undo.mark(undo.key(AGAIN, verdict.rule.id, ref, prefix), verdict.event.seen) for ref in refs]
    for mark in marks:
        state.uses.mark(mark)
    return replace(refused, uses=tuple(marks))


def _decision(
    verdict: Verdict,
    outcome: Outcome,
    *,
    reason: str,
    hold: HoldKind | None = None,
    until: int | None = None,
    notes: tuple[Use, ...] = (),
    completes: tuple[str, ...] = (),
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
        notes=notes,
        completes=completes,
    )
