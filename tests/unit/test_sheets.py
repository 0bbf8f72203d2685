"""CSV that is written here reads back as it was, and is written in one place."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.collectors.csvfile import source
from machine.sheets import Rows, Table
from tests.test_tidy import ROOMS, python

CELLS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\r\n,;"\t\x85\u2028\0 '), max_size=8)


@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=4), delimiter=st.sampled_from(",;\t|"))
@example(rows=[["a\rb", "\r", "\n", "\r\n", '"', ""], [""]], delimiter=",")
def test_what_is_written_reads_back_the_same(rows: list[list[str]], delimiter: str) -> None:
    out = io.StringIO(newline="")
    Rows(out, delimiter=delimiter).rows(rows)
    assert list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=delimiter)) == rows
    assert out.getvalue() == "" or out.getvalue().endswith("\n")


@given(cells=st.lists(CELLS, min_size=1, max_size=5))
def test_a_table_is_read_back_by_the_import_of_the_agent(
    cells: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("sheet") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        Table(file, ["a", "b"]).rows({"a": cell, "b": "x"} for cell in cells)
    assert [row for _, row in source.opened(path).rows()] == [[cell, "x"] for cell in cells]
    assert path.read_bytes().splitlines()[0] == b"a,b", "rows end with LF alone"


def test_nobody_else_writes_csv() -> None:
    writes = re.compile(rb"\bcsv\.(writer|DictWriter)\b")
    found = [path for path in python(*ROOMS) if writes.search(path.read_bytes())]
    assert [path.name for path in found] == ["sheets.py"]
    assert found[0].parent == Path(__file__).resolve().parents[2] / "machine"
