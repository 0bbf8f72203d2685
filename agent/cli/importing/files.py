"""What an import leaves behind for people: the report of bad cells, and the bad rows to be corrected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.collectors.csvfile.judging import Fault
from agent.collectors.csvfile.table import OURS
from agent.errors import InvalidInputError
from machine.sheets import Rows

REPORT_COLUMNS = ("row", "column", "value", "problem", "remedy")


class Paper:
    """The files that were asked for, written while the import goes on; a context manager.

    Raises:
        InvalidInputError: one of them cannot be written.
    """

    def __init__(self, report: Path | None, corrected: Path | None, columns: Sequence[str], delimiter: str) -> None:
        self._stack = ExitStack()
        self._report = self._open(report, ",")
        self._corrected = self._open(corrected, delimiter)
        self._columns = len(columns)
        self._kept = [place for place, name in enumerate(columns) if name not in OURS]
        if self._report is not None:
            self._report.row(REPORT_COLUMNS)
        if self._corrected is not None:
            self._corrected.row([*(columns[place] for place in self._kept), *OURS])

    def _open(self, path: Path | None, delimiter: str) -> Rows | None:
        if path is None:
            return None
        try:
            file = self._stack.enter_context(path.open("x", encoding="utf-8", errors="replace", newline=""))
        except FileExistsError:
            raise InvalidInputError(f"{path} is there already", hint="name another file, or remove that one") from None
        except OSError as error:
            raise InvalidInputError(f"{path} cannot be written: {error.strerror}", hint="name another place") from error
        return Rows(file, delimiter=delimiter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, faults: Iterable[Fault], bad: Iterable[tuple[int, Sequence[str]]]) -> None:
        """Write what is wrong with some rows."""
        told = list(faults)
        if self._report is not None:
            self._report.rows(told)
        if self._corrected is None:
            return
        mine: dict[int, list[Fault]] = {}
        for each in told:
            mine.setdefault(each.row, []).append(each)
        for number, row in bad:
            cells = [row[place] if place < len(row) else "" for place in self._kept]
            problems = "; ".join(f"{one.column}: {one.told}" if one.column else one.told for one in mine[number])
            remedies = "; ".join(one.remedy for one in mine[number])
            # Cells that the heading has no column for stay behind our own: still too many, until somebody has looked.
            self._corrected.row([*cells, problems, remedies, *row[self._columns :]])
