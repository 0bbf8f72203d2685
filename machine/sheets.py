"""CSV as agent and catalogue write it: UTF-8 text whose rows end with LF, and every cell reads back as it was.

Python quotes what the end of its rows consists of. With rows that end with LF it leaves a bare CR as it is, which every
reader takes for the end of a row (before Python 3.13). So rows are made with CR LF, and their CR is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol


class Text(Protocol):
    """Where rows are written: a text file without translation of line ends, or stdout."""

    def write(self, text: str, /) -> object:
        """Take a row."""
        ...


class Rows:
    """Writes rows of cells; None is an empty cell."""

    def __init__(self, out: Text, *, delimiter: str = ",") -> None:
        self._writer = csv.writer(_Lf(out), delimiter=delimiter, lineterminator="\r\n")
        self.row = self._writer.writerow
        """Write one row."""
        self.rows = self._writer.writerows
        """Write many."""


class Table:
    """Writes tables by the names of their columns, which stand in the first row unless ``heading`` is off."""

    def __init__(self, out: Text, columns: Collection[str], *, heading: bool = True) -> None:
        self._writer = csv.DictWriter(_Lf(out), columns, lineterminator="\r\n")
        if heading:
            self._writer.writeheader()

    def row(self, row: Mapping[str, Any]) -> None:
        """Write one; columns that it lacks are empty.

        Raises:
            ValueError: it has another column.
        """
        self._writer.writerow(row)

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write many."""
        self._writer.writerows(rows)


class _Lf:
    """Takes rows that end with CR LF, and passes them on with LF alone."""

    __slots__ = ("_write",)

    def __init__(self, out: Text) -> None:
        self._write = out.write

    def write(self, row: str) -> object:
        return self._write(row[:-2] + "\n")
