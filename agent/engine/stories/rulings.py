"""What a person decides in the middle of a story: what is held is approved or rejected, as in the ledger. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from agent.config.grammar import Number, shown_number, toml_number
from agent.engine.past import following, undo
from agent.engine.review import approval
from agent.engine.stories import freed
from agent.engine.stories.teller import Teller, what
from agent.engine.stories.told import SITE
from agent.errors import InvalidInputError
from agent.model import Decision, Outcome

REJECTED = "rejected"
_ACTS = ("approve", "reject")
_SEVERAL = "one rule for several: say whose, learner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """That the decision about an event (counted from 1) by ``rule`` (empty: the only one that is held) is settled.

    ``learner`` says whose, where a run holds prizes of several (empty: whoever's). ``amounts`` are approved instead of
    those that were promised, by currency and as they are written in `award`.
    """

    event: int
    rule: str
    learner: str
    approved: bool
    amounts: Mapping[str, Number]


def ruling_of(said: Mapping[str, Any]) -> Ruling | None:
    """The ruling that a story tells; None where it tells an event.

    Raises:
        InvalidInputError: it tells neither.
    """
    acts = [act for act in _ACTS if act in said]
    if not acts:
        return None
    event, rule, learner = said[acts[0]], said.get("rule", ""), said.get("learner", "")
    texts = isinstance(rule, str) and isinstance(learner, str)
    if len(acts) > 1 or not isinstance(event, int) or isinstance(event, bool) or not texts:
        raise InvalidInputError(
            'write { approve = 2, rule = "…" }, { approve = 2, points = 30 } or { reject = 2 },'
            " with the number of an event before"
        )
    approved, amounts = acts[0] == "approve", dict[str, Number]()
    for name in sorted(said.keys() - {*_ACTS, "rule", "learner", "at"}):
        amount = toml_number(said[name]) if approved else None
        if amount is None:
            raise InvalidInputError(f"{name} says nothing beside {acts[0]}")
        amounts[name] = amount
    return Ruling(event=event, rule=rule, learner=learner, approved=approved, amounts=amounts)


def settle(ruling: Ruling, teller: Teller) -> list[Decision]:
    """The decisions that a ruling comes to.

    Raises:
        InvalidInputError: nothing is held there, or other amounts are approved than the rule allows.
    """
    rulebook, state = teller.rulebook, teller.state
    held = _held(ruling, teller.told)
    event = teller.events[held.event_id]
    wanted = {name: _smallest(name, amount, rulebook.decimals) for name, amount in ruling.amounts.items()}
    key, objects = (held.rule_id, held.learner, held.scope), [use for use in held.uses if undo.is_object(use)]
    number, waiting = teller.holds[what(held)], state.holds.get(key, ())
    opens = [state.acts.close((use.meter, use.bucket, use.learner), number) for use in objects]
    if not (all(opens) and (held.reserves or number in waiting)):  # undone since, or an award took its place
        raise InvalidInputError(f"what {held.rule_id} held of event {ruling.event} is settled already")
    for use in held.reserves:
        state.uses.release(use)
    state.holds[key] = tuple(other for other in waiting if other != number)
    if not ruling.approved:
        return [_rejected(held), *freed.decided(held, teller)]
    decision = approval.approve(held, rulebook, rulebook, state, wanted, source=event.seen.source)
    if decision.outcome is Outcome.awarded and objects:
        state.acts.paid(objects, undo.award_of(decision, event.seen, 1))
    decided = [decision, *following.after([decision], event, held.role, rulebook.recognition, state)]
    return decided if decision.postings == held.postings else [*decided, *freed.decided(held, teller)]


def _smallest(currency: str, amount: Number, decimals: Mapping[str, int]) -> int:
    scaled = Fraction(amount) * 10 ** decimals.get(currency, 0)
    if scaled.denominator != 1:
        raise InvalidInputError(f"{shown_number(amount)} is finer than {currency} can be")
    return int(scaled)


def _held(ruling: Ruling, told: Sequence[Sequence[Decision]]) -> Decision:
    """What waits of an entry, though it may wait only since something before it was rejected."""
    about = told[ruling.event - 1] if 1 <= ruling.event <= len(told) else ()
    events, whose = {one.event_id for one in about}, f"{SITE}:{ruling.learner}" if ruling.learner else ""
    mine = [
        one
        for each in told
        for one in each
        if one.event_id in events and ruling.rule in {"", one.rule_id} and whose in {"", one.learner}
    ]
    held = [one for one in {what(one): one for one in mine}.values() if one.outcome is Outcome.held]
    if len(held) == 1:
        return held[0]
    was = [one for one in mine if one.outcome is Outcome.held]
    if was and not held:
        raise InvalidInputError(f"what {was[0].rule_id} held of event {ruling.event} is settled already")
    several = "several rules: say which, rule" if len({one.rule_id for one in held}) > 1 else _SEVERAL
    waits = f"waits by {several} = …" if held else "is not held"
    by = f" by {ruling.rule}" if ruling.rule and not held else ""
    whom = f" for {ruling.learner}" if ruling.learner and not held else ""
    raise InvalidInputError(f"event {ruling.event} {waits}{by}{whom}")


def _rejected(held: Decision) -> Decision:
    return replace(
        held, outcome=Outcome.refused, reason=REJECTED, hold=None, postings=(), uses=(), reserves=(), message=""
    )
