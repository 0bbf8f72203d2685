"""The ledger as rows for others: the contract's columns as CSV, JSON lines or a JSON list; written as they are read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from agent.cli.terms.rows import COLUMNS, row_of
from machine.sheets import Rows

if TYPE_CHECKING:
    from agent.ledger.reading import Choice, EntryRow

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula."""


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


def guarded(text: str) -> str:
    """A text that a spreadsheet would calculate gets a quote before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def write_json_lines(entries: Iterable[EntryRow], out: BinaryIO) -> None:
    """One JSON object in each line, keys in the contract's order."""
    import orjson

    out.writelines(orjson.dumps(row_of(entry), option=orjson.OPT_APPEND_NEWLINE) for entry in entries)
    out.flush()


def write_json_list(entries: Iterable[EntryRow], out: BinaryIO) -> None:
    """One JSON list with an object in each line, keys in the contract's order."""
    import orjson

    out.write(b"[")
    for number, entry in enumerate(entries):
        out.write(b",\n" if number else b"\n")
        out.write(orjson.dumps(row_of(entry)))
    out.write(b"\n]\n")
    out.flush()
