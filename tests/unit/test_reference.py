"""The reference pages say what the code says today."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from catalogue import config
from manual.pages import PAGES
from manual.queries import FIGURES, GROUPS, statements

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_make_reference_would_write_now(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run: make reference"


def test_no_reference_page_is_left_without_its_maker() -> None:
    assert {page.name for page in REFERENCE.iterdir()} == PAGES.keys()


def test_every_key_of_the_catalogues_settings_is_on_its_page_with_what_holds_without_it(tmp_path: Path) -> None:
    page = (REFERENCE / "catalogue-config.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", page, re.MULTILINE))
    assert shown.keys() == {key for keys in config.KNOWN.values() for key in keys}
    for name, text in (("empty", ""), ("example", re.sub(r"^# (\w+ *=)", r"\1", config.EXAMPLE, flags=re.MULTILINE))):
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    empty, example = (config.load(tmp_path / f"{name}.toml") for name in ("empty", "example"))
    assert example.status_listen == ("127.0.0.1", 8736)
    assert replace(example, status_listen=None) == empty


def test_every_query_to_the_lms_is_on_the_page_for_its_administrator() -> None:
    found = statements()
    named = [file for group in GROUPS for file in group.files]
    assert sorted(named) == sorted(found), "say in manual/queries.py when the queries of a new file are sent"
    assert sum(map(len, found.values())) > 80
    page = (REFERENCE / "queries.md").read_text(encoding="utf-8")
    assert [text for texts in found.values() for text in texts if text not in page] == []


def test_what_a_query_costs_is_measured_for_each_that_reads_tables_of_moodle() -> None:
    reading = {text for texts in statements().values() for text in texts if "{" in text and text.startswith("SELECT ")}
    measured = json.loads(FIGURES.read_text(encoding="utf-8"))
    missing = {text for text in reading - measured.keys() if "unnest(" not in text}  # PostgreSQL's way alone
    assert missing == {"SELECT %s FROM {%s} WHERE id = 0"}, "run: python -m bench queries"  # reads nothing
