"""An entry as exports and lists show it."""

from __future__ import annotations

from agent.cli.terms.rows import COLUMNS, row_of
from agent.ledger.reading import EntryRow

FIELDS = {
    "entry_id": "1-7",
    "occurred_at": 0,
    "recorded_at": 1,
    "rule": "lesson",
    "rules_version": "ab",
    "currency": "points",
    "amount": 10,
    "kind": "award",
    "source": "moodle/state",
    "trust": "server_verified",
    "reason": "",
    "reverses": "",
}


def test_an_entry_names_the_configured_source_whatever_its_bytes_say() -> None:
    entry = EntryRow(seq=7, fields=FIELDS, learner="moodle:35", event_id="cd", decision_no=1, person_no=1)
    row = row_of(entry)
    assert tuple(row) == COLUMNS
    assert row["source"] == "moodle"
