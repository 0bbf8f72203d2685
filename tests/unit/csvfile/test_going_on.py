"""An import that somebody stops says where it goes on, and every row is taken once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.cli.importing.csv_file import _Import
from agent.cli.importing.files import Paper
from agent.collectors.csvfile import source
from agent.collectors.csvfile.cells import Problem
from agent.collectors.csvfile.checked import ROWS_AT_ONCE
from agent.collectors.csvfile.ids import Ids
from agent.collectors.csvfile.judging import Wanted
from agent.collectors.csvfile.table import layout

ROWS = 2 * ROWS_AT_ONCE + 10


class Taking:
    """Takes events, until somebody presses Ctrl-C."""

    def __init__(self, before: int) -> None:
        self.before = before
        self.taken: list[str] = []

    def __call__(self, events: Sequence[Any]) -> Mapping[int, tuple[str, Problem]]:
        if len(self.taken) >= self.before:
            raise KeyboardInterrupt
        self.taken += [event["user"]["id"] for event in events]
        return {}


def work(path: Path) -> _Import:
    """The import of a file, as the command begins it."""
    file = source.opened(path)
    found = layout(file.columns)
    return _Import(file=file, found=found, wanted=Wanted(now=1_790_000_000), ids=Ids.of(file, found, mixed=False))


def test_an_import_that_is_stopped_says_where_it_goes_on_and_takes_no_row_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.csv"
    rows = (f"lesson.completed,{number:05d},2026-09-01T09:00:00Z,L1\n" for number in range(1, ROWS + 1))
    path.write_text("event,distinct_id,time,lesson_id\n" + "".join(rows))
    stopped, going_on = Taking(ROWS_AT_ONCE), Taking(ROWS)
    paper = Paper(None, None, (), ",")
    with pytest.raises(KeyboardInterrupt):
        work(path).run(stopped, paper, 2)
    told = capsys.readouterr().err
    assert f"stopped behind row {ROWS_AT_ONCE + 1}; to go on: --from-row {ROWS_AT_ONCE + 2}" in told
    again = work(path)
    again.run(going_on, paper, int(told.rsplit("--from-row ", 1)[1]))
    assert [*stopped.taken, *going_on.taken] == [f"{number:05d}" for number in range(1, ROWS + 1)]
    assert again.last == ROWS + 1
