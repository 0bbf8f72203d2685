"""One movement on one account of one person, and the bytes of the entry that it becomes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agent.config.ways_in import configured
from agent.errors import IntegrityError
from agent.ledger.record.people import Macs, Person
from agent.model import Award, Decision, Event, Trust
from wire import entry as wire_entry

BADGE_PREFIX = "badge:"

LOWERED = "manual.level"
"""The rule of an adjustment after which the lifetime total, and with it a level, is what is left."""


class Movement(NamedTuple):
    """One entry to append: an amount on one account of one person, and why.

    ``kind`` is award | reversal | adjustment; ``reverses`` an entry_id or empty; times are seconds UTC. (A named tuple:
    one is made for every award.)
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


def count_of(made: Decision | Award) -> int:
    """How many movements an awarded or reversed decision makes, or an award made."""
    return sum([1 for posting in made.postings if posting.amount])


def of_award(
    decision: Decision, event: Event, person: Person, event_no: int, decision_no: int, *, plain: bool = False
) -> list[Movement]:
    """The movements of an awarded decision, one for each posting that is not zero, in the rule's order.

    ``plain`` ones give no reason, whatever the decision's is.
    """
    seen, trust = event.seen, _TRUST[event.trust]
    return [
        Movement(
            "award",
            person,
            posting.currency,
            posting.amount,
            decision.rule_id,
            decision.rules_version,
            seen.source,
            trust,
            seen.occurred_at,
            event.event_id,
            event_no,
            decision_no,
            decision.scope,
            decision.generation,
            "" if plain else decision.reason,
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


class Bodies:
    """The bytes of entries (see `wire.entry.encode`) that one ledger appends at one time."""

    def __init__(self, *, epoch: int, now: int) -> None:
        self._epoch = epoch
        self._now = now
        self._macs: dict[int, Macs] = {}
        self._templates: dict[tuple[str, str, str, str, str], wire_entry.Template] = {}

    def of(self, movement: Movement, seq: int) -> bytes:
        """The entry ``seq``.

        Raises:
            IntegrityError: the amount is beyond what any reader of entries accepts.
        """
        kind, person, currency, amount, rule, version, source, trust, at, event_id, _, _, scope, generation, why, of = (
            movement
        )
        if abs(amount) > wire_entry.AMOUNT_MAX:
            raise IntegrityError(
                f"rule {rule} would move {amount} {currency}, more than any entry may",
                hint="lower what the rule awards: rewards-agent rules check",
            )
        if why or of or kind != "award":
            return wire_entry.encode(self._common(movement) | self._differing(movement, seq))
        key = (currency, rule, version, source, trust)
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = wire_entry.Template(self._common(movement), _DIFFERING)
        macs = self._macs.get(person.person_no)
        if macs is None:
            macs = self._macs[person.person_no] = Macs.of(person.secret)
        return template.encode(
            (
                amount,
                f"{self._epoch}-{seq}",
                macs.event_ref(event_id) if event_id else "",
                generation,
                person.pseudonym,
                at,
                macs.scope_ref(rule, scope, generation) if scope else "",
                seq,
            )
        )

    def _common(self, movement: Movement) -> dict[str, object]:
        return {
            "currency": movement.currency,
            "kind": movement.kind,
            "reason": movement.reason,
            "recorded_at": self._now,
            "reverses": movement.reverses,
            "rule": movement.rule_id,
            "rules_version": movement.rules_version,
            "source": configured(movement.source),
            "trust": movement.trust,
            "v": wire_entry.FORMAT,
        }

    def _differing(self, movement: Movement, seq: int) -> dict[str, object]:
        person, scope = movement.person, movement.scope
        return {
            "amount": movement.amount,
            "entry_id": f"{self._epoch}-{seq}",
            "event_ref": person.event_ref(movement.event_id) if movement.event_id else "",
            "generation": movement.generation,
            "learner": person.pseudonym,
            "occurred_at": movement.occurred_at,
            "scope_ref": person.scope_ref(movement.rule_id, scope, movement.generation) if scope else "",
            "seq": seq,
        }


_DIFFERING: dict[str, type[int | str]] = {
    "amount": int,
    "entry_id": str,
    "event_ref": str,
    "generation": int,
    "learner": str,
    "occurred_at": int,
    "scope_ref": str,
    "seq": int,
}
