"""An entry as the row that exports and lists show: the contract's columns, in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.cli.frame import utc
from agent.config.ways_in import configured

if TYPE_CHECKING:
    from agent.ledger.reading import EntryRow

COLUMNS = (
    "seq", "entry_id", "occurred_at", "recorded_at", "learner", "rule_id", "rules_version", "currency", "amount",
    "kind", "event_id", "source", "trust", "reason", "reverses",
)  # fmt: skip


def row_of(entry: EntryRow) -> dict[str, Any]:
    """An entry in the contract's columns. Older bytes name a reader of state tables, no configured source."""
    fields = entry.fields
    return {
        "seq": entry.seq,
        "entry_id": fields["entry_id"],
        "occurred_at": utc(fields["occurred_at"]),
        "recorded_at": utc(fields["recorded_at"]),
        "learner": entry.learner,
        "rule_id": fields["rule"],
        "rules_version": fields["rules_version"],
        "currency": fields["currency"],
        "amount": fields["amount"],
        "kind": fields["kind"],
        "event_id": entry.event_id,
        "source": configured(fields["source"]),
        "trust": fields["trust"],
        "reason": fields["reason"],
        "reverses": fields["reverses"],
    }
