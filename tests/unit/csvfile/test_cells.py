"""What can be wrong with one cell."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from agent.collectors.csvfile import cells
from agent.collectors.csvfile.cells import Check, Problem
from tests.builders import NOW


@pytest.mark.parametrize(
    ("check", "cell", "told"),
    [
        (cells.name, "", "empty"),
        (cells.name, "ANN SMITH", "all capitals"),
        (cells.name, "Ann2", "digits or signs"),
        (cells.name, "Ann 😀", "emoji"),
        (cells.name, "x" * 201, "longer than"),
        (cells.mail, "ann.example.org", "no @"),
        (cells.mail, "ann@@example.org", "2 @"),
        (cells.mail, "ann smith@example.org", "space"),
        (cells.mail, "ann@example", "no valid domain"),
        (cells.mail, "ann@example.c0m", "no valid domain"),
        (cells.mail, "ann@Example.org", "capitals"),
        (cells.mail, "", "empty"),
        (cells.user, "", "empty"),
        (cells.user, "1.2E+15", "rounded"),
        (cells.kind, "Lesson", "no kind"),
        (cells.number, "10,5", "not a number"),
        (cells.number, "ten", "not a number"),
        (cells.per_cent, "101", "no percentage"),
        (cells.consent, "no", "has not agreed"),
        (cells.consent, "perhaps", "neither yes nor no"),
    ],
)
def test_a_bad_cell_is_told_with_what_to_do(check: Check, cell: str, told: str) -> None:
    problem = check(cell)
    assert problem is not None
    assert told in problem.told
    assert problem.remedy


@pytest.mark.parametrize(
    ("check", "cell"),
    [
        (cells.name, "Ann Smith"),
        (cells.name, "王 小明"),
        (cells.name, "Siân O'Brien-Jones"),
        (cells.name, "Li"),
        (cells.mail, "ann.smith+x@dept.example.org"),
        (cells.user, "U-1"),
        (cells.identifier, ""),
        (cells.kind, "lesson.completed"),
        (cells.number, "-1.5"),
        (cells.per_cent, "66.7"),
        (cells.consent, "Yes"),
    ],
)
def test_a_good_cell_is_left_alone(check: Check, cell: str) -> None:
    assert check(cell) is None


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("", "empty"),
        ("1790000000000", "milliseconds"),
        ("45890.5", "spreadsheet's own date"),
        ("45890", "spreadsheet's own date"),
        ("1790000000.5", "whole number"),
        ("100000", "before 2000"),
        (str(NOW + 90_000), "future"),
        ("yesterday", "not a time"),
        ("2026-09-01T10:00:00", "zone"),
    ],
)
def test_a_time_that_cannot_be_one_is_told_with_what_to_do(cell: str, told: str) -> None:
    problem = cells.moment(cell, now=NOW, zone=None)
    assert isinstance(problem, Problem)
    assert told in problem.told


def test_times_are_seconds_or_iso_with_a_zone_or_in_the_zone_that_is_said() -> None:
    zone = ZoneInfo("Africa/Johannesburg")
    assert cells.moment("1788220800", now=NOW, zone=None) == 1_788_220_800
    assert cells.moment("2026-09-01T02:00:00+02:00", now=NOW, zone=None) == 1_788_220_800
    assert cells.moment("2026-09-01 02:00:00", now=NOW, zone=zone) == 1_788_220_800
