"""Files of codes as partners and spreadsheets write them."""

from __future__ import annotations

import pytest

from catalogue.errors import CatalogueError
from catalogue.redemption import pool
from catalogue.redemption.pool import Code

END = 1_767_225_600
DATED = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        f"code,expires_at\nA,{DATED}\n",
        f"code, expires_at\nA, {DATED}\n",
        f"\ufeffCode,Expires_At\r\nA,{DATED}\r\n",
        f"code;expires_at\nA;{DATED}\n",
        f'"expires_at","batch","code"\n"{DATED}","7","A"\n',
    ],
)
def test_a_code_is_read_with_its_end_however_a_spreadsheet_wrote_the_header(text: str) -> None:
    assert pool.read(text) == [Code("A", END)]


@pytest.mark.parametrize("text", ["A\n\nB", 'A\n"B"\n', "\ufeffcode\nA\nB\n"])
def test_a_list_of_codes_needs_no_header(text: str) -> None:
    assert pool.read(text) == [Code("A", None), Code("B", None)]


def test_a_quotation_mark_too_many_makes_no_code_of_several() -> None:
    with pytest.raises(CatalogueError, match=r"line 2: .* quotation mark"):
        pool.read('A\n"B\nC\nD\n')


def test_every_line_that_is_no_code_is_told_by_its_number_whatever_is_empty_before() -> None:
    with pytest.raises(CatalogueError) as caught:
        pool.read(f"code,expires_at\n\nA,soon\n{'B' * 201},\nC,{DATED},3\n{'D' * 200_000}\n,{DATED}\n")
    lines = [line.strip().partition(":")[0] for line in caught.value.message.splitlines()[1:]]
    assert lines == ["line 3, expires_at", "line 4", "line 5", "line 6", "line 7"]
