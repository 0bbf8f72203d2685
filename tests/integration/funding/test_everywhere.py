"""Month-end at every campus by one command: a sheet for the accounts department, and what could not be closed."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from pathlib import Path

import pytest

from catalogue.cli.funding import everywhere
from catalogue.funding import months
from tests.integration.operator import CAMPUS, Answer, Operator, typed

FIRST, THIRD = "1970-01", "1970-03"


@pytest.fixture
def empty(tmp_path: Path, catalogue_file: Path) -> Operator:
    """Three campuses where nothing was earned yet."""
    shutil.copy(catalogue_file, tmp_path / "catalogue.db")
    made = Operator(tmp_path)
    made.types("init")
    for campus in (CAMPUS, "north", "empty"):
        made.types("tenant", "add", campus)
    return made


@pytest.fixture
def operator(empty: Operator) -> Operator:
    """At two of them something was, in the first month there is."""
    empty.given(10)
    empty.given(5, campus="north")
    empty.given(7, campus="north", currency="stars")
    return empty


def asked(operator: Operator, *words: str) -> Answer:
    return typed("finance", "all", *words, "--data-dir", str(operator.directory))


def rows(answer: Answer) -> list[tuple[str, str, str, str, str]]:
    """Campus, month, state, currency and closing of each line."""
    names = ("campus", "month", "state", "currency", "closing")
    return [tuple(row[name] for name in names) for row in csv.DictReader(io.StringIO(answer.out))]  # type: ignore[misc]


def test_a_month_of_every_campus_is_one_sheet_and_nothing_is_closed_unasked(operator: Operator) -> None:
    answer = asked(operator, FIRST)

    assert rows(answer) == [
        ("north", FIRST, "open", "points", "5"),
        ("north", FIRST, "open", "stars", "7"),
        (CAMPUS, FIRST, "open", "points", "10"),
    ]
    assert answer.err == f"{FIRST}: closed at 0, open at 2 of 3 campuses, nothing was posted by then at 1\n"
    assert operator.asks("finance", "list", "north") == []
    plain = [json.loads(line) for line in asked(operator, FIRST, "--format", "json").out.splitlines()]
    assert [row["campus"] for row in plain] == ["north", "north", CAMPUS]


def test_months_are_closed_in_order_at_every_campus_and_closing_again_changes_nothing(operator: Operator) -> None:
    operator.types("finance", "close", "north", FIRST)
    answer = asked(operator, THIRD, "--close")

    assert answer.code == 0
    assert {row[2] for row in rows(answer)} == {"closed"}
    for campus in (CAMPUS, "north"):
        assert [one["month"] for one in operator.asks("finance", "list", campus)] == [FIRST, "1970-02", THIRD]
    closed = operator.asks("audit", "list", "--act", "finance.close")
    assert asked(operator, THIRD, "--close").out == answer.out
    assert operator.asks("audit", "list", "--act", "finance.close") == closed
    assert len(closed) == 6


def test_where_a_month_cannot_be_closed_is_told_once_with_the_campuses(
    empty: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everywhere, "NAMED_MAX", 1)
    at = int(time.time())
    this = months.month_of(at, "UTC")
    for campus in (CAMPUS, "north"):
        empty.given(5, at=at, campus=campus)
    answer = asked(empty, months.after(this), "--close")

    assert answer.code == 1
    assert f"not closed, {this} is not over: north and 1 more\n" in answer.err
    assert {row[2] for row in rows(answer)} == {"open"}


def test_what_is_no_month_is_told_before_any_campus_is_looked_at(operator: Operator) -> None:
    answer = asked(operator, "2026-13", "--close")
    assert (answer.code, answer.out) == (1, "")
    assert "'2026-13' is no month" in answer.err
