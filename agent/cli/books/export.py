"""The ledger as rows for others: those that are asked for, in the contract's columns; written as they are read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from agent.cli.terms.rows import COLUMNS, row_of
from agent.cli.terms.sheets import guarded
from machine.sheets import Rows

if TYPE_CHECKING:
    from agent.ledger.reading import Choice, EntryRow


def asked_for(entries: Iterable[EntryRow], choice: Choice) -> Iterator[EntryRow]:
    """Those of a choice, in their order; the statement's movements too, which no rule made."""
    for entry in entries:
        said = entry.fields
        if (
            choice.learner in {"", entry.learner}
            and choice.rule in {"", said["rule"]}
            and choice.currency in {"", said["currency"]}
            and choice.since <= said["occurred_at"] < choice.until
        ):
            yield entry


def write_csv(entries: Iterable[EntryRow], out: BinaryIO) -> None:
    """UTF-8, LF, RFC 4180. A reason that a spreadsheet would calculate gets a quote before it."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    writer = Rows(text)
    try:
        writer.row(COLUMNS)
        writer.rows(map(_guarded, entries))
        text.flush()
    finally:
        text.detach()


def _guarded(entry: EntryRow) -> Iterable[Any]:
    row = row_of(entry)
    row["reason"] = guarded(row["reason"])
    return row.values()
