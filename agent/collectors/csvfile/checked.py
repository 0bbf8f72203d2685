"""The rows of a file, checked: each is a canonical event, or has its problems told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

from agent.collectors.csvfile.cells import Problem
from agent.collectors.csvfile.ids import Ids
from agent.collectors.csvfile.judging import Fault, Judge, Wanted, fault
from agent.collectors.csvfile.seen import Seen
from agent.collectors.csvfile.source import CsvFile
from agent.collectors.csvfile.table import Layout

ROWS_AT_ONCE = 1_000

Row = tuple[int, Sequence[str]]
"""(its number as a spreadsheet counts it, its cells)."""


class Good(NamedTuple):
    """A row without faults, and the canonical event of it."""

    row: int
    cells: Sequence[str]
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some rows of a file with a layout, judged: the good ones, the faults of the bad ones, and those as they stand."""

    found: Layout
    good: Sequence[Good]
    faults: Sequence[Fault]
    bad: Sequence[Row]
    last: int

    @property
    def events(self) -> list[Mapping[str, Any]]:
        """The events of the good rows."""
        return [each.event for each in self.good]

    def without(self, refused: Mapping[int, tuple[str, Problem]]) -> Chunk:
        """The chunk where some good rows are bad after all: their place among the good → column and problem."""
        if not refused:
            return self
        spoiled = [(self.good[place], column, problem) for place, (column, problem) in refused.items()]
        faults = [
            fault(one.row, column, self.found.cell(one.cells, column), problem) for one, column, problem in spoiled
        ]
        return replace(
            self,
            good=[one for place, one in enumerate(self.good) if place not in refused],
            faults=sorted([*self.faults, *faults]),
            bad=sorted([*self.bad, *((one.row, one.cells) for one, _, _ in spoiled)]),
        )


def chunks(file: CsvFile, found: Layout, wanted: Wanted, ids: Ids, *, from_row: int = 2) -> Iterator[Chunk]:
    """The file from a row on, some rows at a time; memory does not grow with it.

    Raises:
        InvalidInputError: the file cannot be read further (see `CsvFile.rows`).
    """
    seen = Seen()
    judge = Judge(found, wanted, ids, columns=len(file.columns))
    try:
        rows = file.rows()
        while taken := list(islice(rows, ROWS_AT_ONCE)):
            chunk = _chunk(taken, judge, seen)
            if chunk.last >= from_row:
                yield chunk
    finally:
        seen.close()


def _chunk(rows: Sequence[Row], judge: Judge, seen: Seen) -> Chunk:
    faults: list[Fault] = []
    good: list[Good] = []
    bad: list[Row] = []
    for number, row in rows:
        mine, event = judge.judged(number, row)
        if mine:
            faults += sorted(mine)
            bad.append((number, row))
        else:
            good.append(Good(number, row, event))
    chunk = Chunk(found=judge.found, good=good, faults=faults, bad=bad, last=rows[-1][0])
    again = seen.first_rows([(judge.key(event), number) for number, _, event in good])
    return chunk.without(
        {place: _same(again[one.row], one, judge) for place, one in enumerate(good) if one.row in again}
    )


def _same(first: int, one: Good, judge: Judge) -> tuple[str, Problem]:
    """What a row repeats, in the column that it is known by."""
    column = "event_id" if "id" in one.event and judge.found.sort == "events" else "distinct_id"
    return column, Problem(f"the same as row {first}", "remove one of them")
