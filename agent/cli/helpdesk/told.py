"""One decision as a helpdesk reads it: the sentence, the conditions, and what became of it afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.cli.frame import utc

if TYPE_CHECKING:
    from agent.engine.rulebook import Rulebook
    from agent.ledger.reading import DecisionRow
    from agent.model import Decision, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """``sentence`` is why; ``since`` what happened later (reversed, settled), or empty.

    ``recorded`` is False for what the rules would say; ``undecided`` is then why they never did. ``at`` (seconds UTC)
    and ``log`` are those of the act. ``taken_back`` is that every entry of it was reversed.
    """

    decision: Decision
    sentence: str
    recorded: bool
    at: int
    log: str
    decision_no: int | None = None
    since: str = ""
    undecided: str = ""
    entries: tuple[int, ...] = ()
    hold_state: str = ""
    taken_back: bool = False

    @property
    def standing(self) -> str:
        """What stands of it now: the outcome, unless it was reversed, settled or never recorded."""
        if not self.recorded:
            return "not recorded"
        if self.taken_back:
            return "reversed"
        return self.hold_state if self.hold_state not in {"", "open"} else self.decision.outcome.name

    def facts(self, names: Mapping[str, str] | None = None) -> dict[str, Any]:
        """For JSON; ``names`` are the learner's, for the message."""
        from agent.config.rulefile.messages import addressed

        decision = self.decision
        return {
            "rule": decision.rule_id,
            "learner": decision.learner,
            "role": decision.role,
            "outcome": decision.outcome.name,
            "reason": decision.reason,
            "until": utc(decision.until),
            "hold": decision.hold.value if decision.hold else "",
            "hold_state": self.hold_state,
            "checks": [
                {"condition": check.text, "status": check.status, "seen": check.seen} for check in decision.checks
            ],
            "postings": {posting.currency: posting.amount for posting in decision.postings},
            "scope": decision.scope,
            "message": addressed(decision.message, names or {}),
            "rules_version": decision.rules_version,
            "recorded": self.recorded,
            "undecided": self.undecided,
            "decision": self.decision_no,
            "entries": list(self.entries),
            "occurred_at": utc(self.at),
            "log": self.log,
            "event_id": decision.event_id.hex(),
            "sentence": self.sentence,
            "since": self.since,
        }


def settled_as(row: DecisionRow) -> str:
    """What became of a hold: approved, rejected, superseded; empty where there was none or it is open."""
    return "" if row.hold_state == "open" else row.hold_state


def recorded_told(connection: sqlite3.Connection, row: DecisionRow, rulebook: Rulebook) -> Told:
    """A decision of the ledger, with its entries and what became of them or of its hold."""
    from agent.engine.explain import decision_sentence
    from agent.ledger import reading
    from agent.model import Outcome

    made_none = row.decision.outcome in {Outcome.held, Outcome.refused, Outcome.shadow}
    booked = [] if made_none else reading.booked(connection, row)
    return Told(
        decision=row.decision,
        sentence=decision_sentence(row.decision, rulebook, settled=bool(settled_as(row))),
        recorded=True,
        at=row.occurred_at,
        log=f"{row.source}:{row.position}",
        decision_no=row.decision_no,
        since=" ".join(part for part in (_booked(booked), _settled(row)) if part),
        entries=tuple(seq for seq, _ in booked),
        hold_state=row.hold_state,
        taken_back=bool(booked) and all(by is not None for _, by in booked),
    )


def as_if_told(event: Event, decision: Decision, rulebook: Rulebook, undecided: str) -> Told:
    """What a rule would say of an act that it never decided, and why it never did."""
    from agent.engine.explain import decision_sentence

    return Told(
        decision=decision,
        sentence=decision_sentence(decision, rulebook, as_if=True),
        recorded=False,
        at=event.seen.occurred_at,
        log=f"{event.seen.source}:{event.seen.position}",
        undecided=undecided,
    )


def _booked(booked: list[tuple[int, int | None]]) -> str:
    if not booked:
        return ""
    seqs = ", ".join(str(seq) for seq, _ in booked)
    said = f"Entry {seqs}." if len(booked) == 1 else f"Entries {seqs}."
    reversed_by = [by for _, by in booked if by is not None]
    return f"{said} Reversed by entry {', '.join(map(str, reversed_by))}." if reversed_by else said


def _settled(row: DecisionRow) -> str:
    match row.hold_state:
        case "":
            return ""
        case "open":
            return f"It waits as number {row.decision_no} of rewards-agent review list."
        case "superseded":
            return "A later decision superseded it."
    by = f" by {row.settled_by}" if row.settled_by else ""
    return f"It was {row.hold_state}{by}{f': {row.note}' if row.note else ''}."
