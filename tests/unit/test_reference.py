"""The reference pages say what the code says today."""

from __future__ import annotations

from pathlib import Path

import pytest

from manual.pages import PAGES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_make_reference_would_write_now(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run: make reference"


def test_no_reference_page_is_left_without_its_maker() -> None:
    assert {page.name for page in REFERENCE.iterdir()} == PAGES.keys()
