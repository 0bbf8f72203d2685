"""The ledger as rows for others: the contract's columns as CSV, or as JSON lines; written as they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from agent.cli.frame import utc

if TYPE_CHECKING:
    from agent.ledger.reading import EntryRow

COLUMNS = (
    "seq", "entry_id", "occurred_at", "recorded_at", "learner", "rule_id", "rules_version", "currency", "amount",
    "kind", "event_id", "source", "trust", "reason", "reverses",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula."""


def row_of(entry: EntryRow) -> dict[str, Any]:
    """An entry in the contract's columns."""
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
        "source": fields["source"],
        "trust": fields["trust"],
        "reason": fields["reason"],
        "reverses": fields["reverses"],
    }


def write_csv(entries: Iterable[EntryRow], out: BinaryIO) -> None:
    """UTF-8, LF, RFC 4180. A reason that a spreadsheet would calculate gets a quote before it."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_guarded(row) for row in map(row_of, entries))
    text.flush()
    text.detach()


def _guarded(row: Mapping[str, Any]) -> Iterator[Any]:
    for name, value in row.items():
        yield f"'{value}" if name == "reason" and value.startswith(_FORMULA) else value


def write_json_lines(entries: Iterable[EntryRow], out: BinaryIO) -> None:
    """One JSON object in each line, keys in the contract's order."""
    import orjson

    out.writelines(orjson.dumps(row_of(entry), option=orjson.OPT_APPEND_NEWLINE) for entry in entries)
    out.flush()
