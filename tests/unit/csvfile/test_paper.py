"""What an import leaves behind: bad rows that can be corrected and imported, as often as it takes."""

from __future__ import annotations

from pathlib import Path

from agent.cli.importing.files import Paper
from agent.collectors.csvfile import source
from agent.collectors.csvfile.judging import Fault

COLUMNS = ("event", "distinct_id", "time")


def corrected(path: Path, columns: tuple[str, ...], row: list[str]) -> list[list[str]]:
    with Paper(None, path, columns, ",") as paper:
        paper.add([Fault(2, "time", "x", "this is not a time", "write seconds")], [(2, row)])
    return [list(cells) for _, cells in source.opened(path).rows()]


def test_a_corrected_file_can_be_corrected_again(tmp_path: Path) -> None:
    row = ["a.b", "ann", "x"]
    first = corrected(tmp_path / "first.csv", COLUMNS, row)
    assert first == [[*row, "time: this is not a time", "write seconds"]]
    assert corrected(tmp_path / "second.csv", (*COLUMNS, "problem", "remedy"), first[0]) == first


def test_cells_too_many_are_not_lost_and_stay_too_many(tmp_path: Path) -> None:
    (row,) = corrected(tmp_path / "first.csv", COLUMNS, ["a.b", "Smith", "Ann", "1"])
    assert row[:3] == ["a.b", "Smith", "Ann"]
    assert row[5:] == ["1"]


def test_what_is_no_text_can_be_written_all_the_same(tmp_path: Path) -> None:
    assert corrected(tmp_path / "first.csv", COLUMNS, ["a.b", "\ud800", "x"])[0][1] == "?"


def test_a_cell_of_several_lines_stays_one_cell(tmp_path: Path) -> None:
    for number, said in enumerate(("a\rb", "a\r\nb", "a\nb")):
        (row,) = corrected(tmp_path / f"{number}.csv", COLUMNS, ["a.b", said, "x"])
        assert row[1:3] == [said, "x"]
