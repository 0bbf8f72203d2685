"""One movement on one account of one person, and the bytes of the entry that it becomes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors import IntegrityError
from agent.ledger.record.people import Person
from agent.model import Decision, Event, Trust, noun
from wire import entry as wire_entry

BADGE_PREFIX = "badge:"


@noun
class Movement:
    """One entry to append: an amount on one account of one person, and why.

    ``kind`` is award | reversal | adjustment; ``reverses`` an entry_id or empty; times are seconds UTC.
    """

    kind: wire_entry.EntryKind
    person: Person
    currency: str
    amount: int
    rule_id: str
    rules_version: str
    source: str
    trust: str
    occurred_at: int
    event_id: bytes | None = None
    event_no: int | None = None
    decision_no: int | None = None
    scope: str = ""
    generation: int = 0
    reason: str = ""
    reverses: str = ""


_TRUST = {trust: trust.name for trust in Trust}
"""A member's name is slow to look up."""


def of_award(decision: Decision, event: Event, person: Person, event_no: int, decision_no: int) -> list[Movement]:
    """The movements of an awarded decision, one for each posting that is not zero, in the rule's order."""
    seen, trust = event.seen, _TRUST[event.trust]
    return [
        Movement(
            kind="award",
            person=person,
            currency=posting.currency,
            amount=posting.amount,
            rule_id=decision.rule_id,
            rules_version=decision.rules_version,
            source=seen.source,
            trust=trust,
            occurred_at=seen.occurred_at,
            event_id=event.event_id,
            event_no=event_no,
            decision_no=decision_no,
            scope=decision.scope,
            generation=decision.generation,
            reason=decision.reason,
        )
        for posting in decision.postings
        if posting.amount
    ]


def of_reversal(
    decision: Decision, event: Event, person: Person, event_no: int, decision_no: int, entries: Sequence[str]
) -> list[Movement]:
    """The movements that answer an award whose ``entries`` (ids) are given, one for each."""
    seen = event.seen
    moved = [posting for posting in decision.postings if posting.amount]
    return [
        Movement(
            kind="reversal",
            person=person,
            currency=posting.currency,
            amount=posting.amount,
            rule_id=decision.rule_id,
            rules_version=decision.rules_version,
            source=seen.source,
            trust=event.trust.name,
            occurred_at=seen.occurred_at,
            event_id=event.event_id,
            event_no=event_no,
            decision_no=decision_no,
            generation=decision.generation,
            reason=decision.reason,
            reverses=entry_id,
        )
        for posting, entry_id in zip(moved, entries, strict=True)
    ]


def body(movement: Movement, *, seq: int, epoch: int, now: int) -> bytes:
    """The entry's bytes (see `wire.entry.encode`).

    Raises:
        IntegrityError: the amount is beyond what any reader of entries accepts.
    """
    if abs(movement.amount) > wire_entry.AMOUNT_MAX:
        raise IntegrityError(
            f"rule {movement.rule_id} would move {movement.amount} {movement.currency}, more than any entry may",
            hint="lower what the rule awards: rewards-agent rules check",
        )
    person, event_id = movement.person, movement.event_id
    return wire_entry.encode(
        {
            "amount": movement.amount,
            "currency": movement.currency,
            "entry_id": f"{epoch}-{seq}",
            "event_ref": person.event_ref(event_id) if event_id else "",
            "generation": movement.generation,
            "kind": movement.kind,
            "learner": person.pseudonym,
            "occurred_at": movement.occurred_at,
            "reason": movement.reason,
            "recorded_at": now,
            "reverses": movement.reverses,
            "rule": movement.rule_id,
            "rules_version": movement.rules_version,
            "scope_ref": (
                person.scope_ref(movement.rule_id, movement.scope, movement.generation) if movement.scope else ""
            ),
            "seq": seq,
            "source": movement.source,
            "trust": movement.trust,
            "v": wire_entry.FORMAT,
        }
    )
