"""How the learners' ids of a file look: an id that looks like no other was mistaken, or spoiled by a spreadsheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agent.collectors.csvfile.cells import Problem
from agent.collectors.csvfile.source import CsvFile
from agent.collectors.csvfile.table import Layout

_TAKEN_OFF = "a spreadsheet takes leading zeros off: format the column as text and export it again"
_MEANT = "correct it; if ids of several forms are meant, say so: --mixed-ids"


class _Form:
    """How many ids are of one form, by their length, and the row of the first."""

    __slots__ = ("first", "lengths")

    def __init__(self) -> None:
        self.lengths: Counter[int] = Counter()
        self.first = 0

    def add(self, row: int, cell: str) -> None:
        self.first = self.first or row
        self.lengths[len(cell)] += 1

    def __len__(self) -> int:
        return self.lengths.total()


class Ids:
    """The forms of all ids of a file, counted before any row is judged; memory does not grow with it.

    Ids of digits that fill up to one length with zeros are one form: 0071 and 1234. ``mixed`` says that several forms
    are meant, so that no id is a fault.
    """

    def __init__(self, ids: Iterable[tuple[int, str]], *, mixed: bool = False) -> None:
        self._text, self._digits, self._padded = _Form(), _Form(), _Form()
        for row, cell in ids:
            if cell:
                self._form(cell).add(row, cell)
        self._mixed = mixed
        self._width = max(self._padded.lengths, key=self._padded.lengths.__getitem__, default=0)
        self._short = sum(count for length, count in self._digits.lengths.items() if length < self._width)
        self._mostly_text = len(self._text) > len(self._digits) + len(self._padded)
        self._mostly_padded = len(self._padded) >= self._short

    @classmethod
    def of(cls, file: CsvFile, found: Layout, *, mixed: bool = False) -> Ids:
        """Those of a file.

        Raises:
            InvalidInputError: the file cannot be read to its end (see `CsvFile.rows`).
        """
        place = found.places["distinct_id"]
        return cls(((number, row[place].strip()) for number, row in file.rows() if place < len(row)), mixed=mixed)

    def _form(self, cell: str) -> _Form:
        if not (cell.isascii() and cell.isdigit()):
            return self._text
        return self._padded if cell[0] == "0" and len(cell) > 1 else self._digits

    def problem(self, cell: str) -> Problem | None:
        """Whether an id looks otherwise than most."""
        if self._mixed or not cell:
            return None
        form = self._form(cell)
        if form is self._text:
            other = len(self._digits) + len(self._padded)
            return Problem("the id is text, most are digits", _MEANT) if other and not self._mostly_text else None
        if self._mostly_text:
            return Problem("the id is all digits, most are not", _MEANT)
        if form is self._padded and not self._mostly_padded:
            return Problem("the id has leading zeros, most have none", f"{_TAKEN_OFF}, or say --mixed-ids")
        if form is self._digits and self._mostly_padded and len(cell) < self._width:
            return Problem("the id has no leading zeros, others have", f"{_TAKEN_OFF}, or say --mixed-ids")
        return None

    def remarks(self) -> list[str]:
        """What is told of the whole column."""
        forms = (("text", self._text), ("digits", self._digits), ("digits with leading zeros", self._padded))
        there = [f"{len(form):,} {name} (row {form.first})" for name, form in forms if len(form)]
        told = [f"the learners' ids are of several forms: {', '.join(there)}"] if len(there) > 1 else []
        if len(self._padded) and self._mostly_padded and not self._mostly_text:
            told.append(
                f"{len(self._padded):,} ids have leading zeros, the first in row {self._padded.first}: they are kept; "
                "a spreadsheet that opens this file takes them off"
            )
        return told
