"""Rows as files: CSV that a spreadsheet reads and does not run, JSON lines, a JSON list; written as they come."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from machine.sheets import Rows

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula."""


def guarded(text: str) -> str:
    """A text that a spreadsheet would calculate gets a quote before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], out: BinaryIO) -> None:
    """UTF-8, LF, RFC 4180; a text that a spreadsheet would calculate gets a quote before it."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    writer = Rows(text)
    try:
        writer.row(columns)
        writer.rows([_cell(row.get(name)) for name in columns] for row in rows)
        text.flush()
    finally:
        text.detach()


def _cell(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value


def write_json_lines(rows: Iterable[Mapping[str, Any]], out: BinaryIO) -> None:
    """One JSON object in each line."""
    import orjson

    out.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    out.flush()


def write_json_list(rows: Iterable[Mapping[str, Any]], out: BinaryIO) -> None:
    """One JSON list with an object in each line."""
    out.write(b"[")
    out.writelines(_listed(rows))
    out.write(b"\n]\n")
    out.flush()


def _listed(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    import orjson

    for number, row in enumerate(rows):
        yield (b",\n" if number else b"\n") + orjson.dumps(row)
