"""What an import leaves behind for people: the report of bad cells, and the bad rows to be corrected."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.collectors.csvfile.checked import Fault
from agent.errors import InvalidInputError

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
        self._width = len(columns)
        if self._report is not None:
            self._report.writerow(REPORT_COLUMNS)
        if self._corrected is not None:
            self._corrected.writerow([*columns, "problem", "remedy"])

    def _open(self, path: Path | None, delimiter: str) -> Any:
        if path is None:
            return None
        try:
            file = self._stack.enter_context(path.open("x", encoding="utf-8", newline=""))
        except FileExistsError:
            raise InvalidInputError(f"{path} is there already", hint="name another file, or remove that one") from None
        except OSError as error:
            raise InvalidInputError(f"{path} cannot be written: {error.strerror}", hint="name another place") from error
        return csv.writer(file, delimiter=delimiter, lineterminator="\n")

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
            self._report.writerows(told)
        if self._corrected is not None:
            for number, row in bad:
                mine = [fault for fault in told if fault.row == number]
                cells = [*row, *[""] * (self._width - len(row))][: self._width]
                problems = "; ".join(f"{fault.column}: {fault.told}" for fault in mine)
                self._corrected.writerow([*cells, problems, "; ".join(fault.remedy for fault in mine)])
