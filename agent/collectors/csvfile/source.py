"""A CSV file as rows: its encoding, its delimiter and its heading found out, in constant memory."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import InvalidInputError

DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD_BYTES = 65_536
_OTHERS = (
    (b"PK\x03\x04", "a workbook of a spreadsheet"),
    (b"\xd0\xcf\x11\xe0", "a workbook of a spreadsheet"),
    (b"\x1f\x8b", "a compressed file"),
    (b"%PDF", "a PDF"),
)
"""How files begin that are given for CSV and are none."""
_SEPARATOR = "sep="
"""Excel's own first line, which says the delimiter and is no row to a spreadsheet."""
CELL_MAX = 100_000
"""Characters in a cell at most; what is longer comes from a quote that nobody closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A file that can be read as rows.

    ``columns`` are its heading, spaces and case taken off; ``above`` are the lines before it that are no rows.
    """

    path: Path
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    above: int = 0

    def rows(self) -> Iterator[tuple[int, Sequence[str]]]:
        """(number of the row as a spreadsheet counts it, its cells); the heading is row 1, empty rows are left out.

        Raises:
            InvalidInputError: bytes that are not text in this encoding, with the row and what to do; a quote that
                nobody closed.
        """
        number = 1
        try:
            with self.path.open(encoding=self.encoding, newline="") as file:
                reader = csv.reader(file, delimiter=self.delimiter)
                for _ in range(self.above + 1):
                    next(reader, None)
                for number, cells in enumerate(reader, start=2):
                    if any(cells):
                        yield number, cells
        except UnicodeError as error:
            raise _not_text(self.path, self.encoding, f"somewhere behind row {number}") from error
        except csv.Error as error:
            raise InvalidInputError(
                f"{self.path}: row {number + 1} cannot be read: {error}",
                hint="look for a quote that is opened and never closed",
            ) from error


def opened(path: Path, *, encoding: str = "", delimiter: str = "") -> CsvFile:
    """A file looked at: how it is encoded and divided where that is not said.

    Raises:
        InvalidInputError: it is not there, empty, not text, or has no heading that could be one.
    """
    csv.field_size_limit(CELL_MAX)
    sign, chosen = _sign(delimiter), _encoding(encoding)
    try:
        with path.open("rb") as raw:
            head = raw.read(_HEAD_BYTES)
        if not head.strip():
            raise InvalidInputError(f"{path} is empty", hint="export it again")
        other = next((what for beginning, what in _OTHERS if head.startswith(beginning)), "")
        if other:
            raise InvalidInputError(f"{path} is {other}, no CSV file", hint='save or export it as "CSV UTF-8"')
        chosen = chosen or next((name for bom, name in _BOMS if head.startswith(bom)), "utf-8")
        with path.open(encoding=chosen, newline="") as file:
            lines = file.read(_HEAD_BYTES).lstrip("\ufeff").splitlines()
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}", hint="check the path") from error
    except UnicodeError as error:
        raise _not_text(path, chosen, "in its first rows") from error
    first = next(iter(lines), "").strip('"')
    above = 1 if first.lower().startswith(_SEPARATOR) else 0
    if above:
        sign = sign or first[len(_SEPARATOR) :][:1]
    line = next(iter(lines[above:]), "")
    if not line.strip():
        raise InvalidInputError(f"{path}: its first line is no heading", hint="the first line names the columns")
    try:
        sign = sign or max(DELIMITERS, key=lambda one: len(next(csv.reader([line], delimiter=one))))
        columns = tuple(cell.strip().lstrip("\ufeff").lower() for cell in next(csv.reader([line], delimiter=sign)))
    except csv.Error as error:
        raise InvalidInputError(f"{path}: its heading cannot be read: {error}", hint="look at its quotes") from error
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InvalidInputError(f"{path}: column {twice[0]!r} stands there twice", hint="rename or remove one of them")
    return CsvFile(path=path, encoding=chosen, delimiter=sign, columns=columns, above=above)


def _sign(said: str) -> str:
    """The delimiter that is meant: a sign, or a word for it; empty where nothing is said.

    Raises:
        InvalidInputError: nothing can be divided by it.
    """
    meant = {word: sign for sign, word in _NAMES.items()} | {"\\t": "\t"}
    sign = meant.get(said.lower(), said)
    if len(sign) > 1 or sign.isalnum() or sign in {'"', "\n", "\r", " ", "\0"}:
        raise InvalidInputError(
            f"--delimiter: {said!r} divides no cells", hint=f"one sign, or one of: {', '.join(_NAMES.values())}"
        )
    return sign


def _encoding(said: str) -> str:
    """An encoding of text; empty where nothing is said.

    Raises:
        InvalidInputError: there is none of that name.
    """
    try:
        with io.TextIOWrapper(io.BytesIO(), encoding=said or "utf-8"):
            return said
    except (LookupError, ValueError) as error:
        hint = "such as utf-8, utf-16, cp1252 or latin-1"
        raise InvalidInputError(f"--encoding: {said!r} is no encoding of text", hint=hint) from error


def called(delimiter: str) -> str:
    """The word for a delimiter."""
    return _NAMES.get(delimiter, repr(delimiter))


def _not_text(path: Path, encoding: str, where: str) -> InvalidInputError:
    return InvalidInputError(
        f"{path} is not text in {encoding}: {where}",
        hint='save it as "CSV UTF-8", or say how it is encoded: --encoding cp1252',
    )
