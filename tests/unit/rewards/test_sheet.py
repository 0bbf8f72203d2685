"""Rewards as a sheet: there and back, and every bad cell told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue.errors import CatalogueError
from catalogue.rewards import sheet, shelf
from catalogue.rewards.model import USUAL, Reward

SLUG = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(
    lambda text: text.strip()
)
NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9:_ -]{0,8}[a-z]", fullmatch=True)
LIMITS = st.lists(
    st.fixed_dictionaries({"count": st.integers(1, 9), "per": st.sampled_from(["ever", "year", "day"])}), max_size=2
)
REWARDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "id": SLUG,
        "title": TEXT,
        "description": st.one_of(st.just(""), TEXT),
        "price": st.dictionaries(NAME, st.integers(1, 10**6), min_size=1, max_size=3),
        "cost": st.sampled_from([None, "0.05 EUR", "12.00 USD"]),
        "stock": st.one_of(st.none(), st.integers(0, 99)),
        "countries": st.lists(st.sampled_from(["GB", "FR", "ZA"]), unique=True),
        "valid_from": st.one_of(st.none(), st.integers(10**9, 2 * 10**9)),
        "window": st.fixed_dictionaries(
            {
                "days": st.lists(st.sampled_from(["mon", "sun"]), unique=True),
                "hours": st.sampled_from(["", "22:00-06:00"]),
                "timezone": st.sampled_from(["UTC", "Europe/London"]),
            }
        ),
        "per_learner": LIMITS,
        "in_all": LIMITS,
        "gate": st.fixed_dictionaries(
            {"badges": st.lists(NAME, max_size=2), "level": st.sampled_from(["", "Scholar"]), "earned": st.just({})}
        ),
        "cohorts": st.lists(NAME, max_size=2),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(REWARDS, max_size=3, unique_by=lambda it: str(it["id"])))
def test_what_is_written_is_read_again(given: list[dict[str, Any]]) -> None:
    rewards = [Reward.model_validate(one) for one in given]
    assert [reward for _, reward in sheet.read("".join(sheet.write(rewards)))] == rewards


def test_a_spreadsheets_formula_is_only_text() -> None:
    made = Reward.model_validate({"id": "a", "title": "=1+1", "price": {"points": 1}})
    (_, line) = sheet.write([made])
    assert "'=1+1" in line


def test_every_bad_cell_is_told_with_its_line_and_column_and_nothing_is_imported() -> None:
    text = """id,title,price,countries,stock,per_learner,valid_until,hours
tea,Tea,points=50,,,,,
TEA,Tea,points,gb,many,2/fortnight,tomorrow,8-9
tea,Tea again,points=50; points=60,,,,,
cake,Cake,points=50,gb,-1,2/fortnight,,8-9
pie,Pie,points=5,,,,,
pie,Pie,points=5,,,,,,,surplus
"""
    with pytest.raises(CatalogueError) as caught:
        sheet.read(text)
    said = str(caught.value)
    for part in (
        "nothing was imported",
        "line 3, price: 'points' is not currency=amount",
        "line 3, stock: 'many' is no whole number",
        "line 4, price: points is there twice",
        "line 5, countries: a country is two capital letters",
        "line 5, stock:",
        "line 5, per_learner:",
        "line 5, hours: hours are written",
        "line 7: more cells than columns",
        "line 7, id: pie is on line 6 already",
    ):
        assert part in said, said


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "no column id"),
        ("id,title\n", "no column price"),
        ("id,title,price,colour\n", "unknown column 'colour'"),
        ('id,title,price\n"tea', "line 2: unexpected end of data"),
    ],
)
def test_a_sheet_that_is_none_is_told_so(text: str, wrong: str) -> None:
    with pytest.raises(CatalogueError, match=wrong):
        sheet.read(text)


def test_the_manuals_shelf_of_examples_has_something_for_each_tier() -> None:
    page = (Path(__file__).parents[3] / "docs/admin/rewards.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    rewards = [reward for _, reward in sheet.read(shown)]
    tiers = {one.name: one.gate.earned["points"] for one in USUAL if one.kind == "tier"}
    assert {one.tier for one in rewards} == tiers.keys() == {"bronze", "silver", "gold"}
    assert {(kind, name) for one in rewards for kind, name in shelf.names_of(one)} <= {
        (one.kind, one.name) for one in USUAL
    }
    assert all(one.price["points"] <= tiers[one.tier] for one in rewards), "who reaches a tier can have what is in it"
