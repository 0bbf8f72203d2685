"""What can be wrong with one cell."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from agent.cli.importing.csv_file import zone_of
from agent.collectors.csvfile import cells, moments, who
from agent.collectors.csvfile.cells import Check, Problem
from agent.errors import InvalidInputError
from tests.builders import NOW


@pytest.mark.parametrize(
    ("check", "cell", "told"),
    [
        (cells.user, "a\nb", "not shown"),
        (cells.identifier, "a\x1b[31mb", "not shown"),
        (who.name, "", "empty"),
        (who.name, "ANN SMITH", "all capitals"),
        (who.name, "ÉLODIE", "all capitals"),
        (who.name, "JOSÉ GARCÍA", "all capitals"),
        (who.name, "-", "no letters"),
        (who.name, "...", "no letters"),
        (who.name, "Ann2", "digits or signs"),
        (who.name, "Ann٢", "digits or signs"),
        (who.name, "Ann?", "digits or signs"),
        (who.name, "Ann€", "digits or signs"),
        (who.name, "Ann 😀", "emoji"),
        (who.name, "x" * 201, "longer than"),
        (who.mail, "ann.example.org", "no @"),
        (who.mail, "ann@@example.org", "2 @"),
        (who.mail, "ann smith@example.org", "space"),
        (who.mail, "ann@example", "no valid domain"),
        (who.mail, "ann@example.con", "ends in .con"),
        (who.mail, "ann@example.zzzz", "ends in .zzzz"),
        (who.mail, "ann@10.0.0.1", "ends in .1"),
        (who.mail, "ann@-example.org", "no valid domain"),
        (who.mail, "ann..smith@example.org", "no name of a mailbox"),
        (who.mail, ".ann@example.org", "no name of a mailbox"),
        (who.mail, "ann.@example.org", "no name of a mailbox"),
        (who.mail, "@example.org", "no name of a mailbox"),
        (who.mail, "<ann@example.org", "no name of a mailbox"),
        (who.mail, f"{'a' * 65}@example.org", "no name of a mailbox"),
        (who.mail, "Ann@example.org", "capitals"),
        (who.mail, "ann@Example.org", "capitals"),
        (who.mail, "", "empty"),
        (cells.user, "", "empty"),
        (cells.user, "1.2E+15", "rounded"),
        (cells.user, "1,2e15", "rounded"),
        (cells.user, "1042.0", "made a number"),
        (cells.user, "#N/A", "found nothing"),
        (cells.identifier, "#NAME?", "found nothing"),
        (cells.user, "x" * 201, "longer than 200"),
        (cells.newcomer, "x" * 196, "longer than 195"),
        (cells.text, "a\0b", "no text"),
        (cells.text, "a\ud800b", "no text"),
        (cells.kind, "a." + "b" * 300, "longer than 200"),
        (cells.kind, "Lesson", "no kind"),
        (cells.number, "10,5", "not a number"),
        (cells.number, "ten", "not a number"),
        (cells.number, "٣", "not a number"),
        (cells.number, "9" * 5_000, "more than 15 digits"),
        (cells.number, "0." + "0" * 5_000 + "1", "more than 15 digits"),
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
        (who.name, "Ann Smith"),
        (who.name, "王 小明"),
        (who.name, "अमित शाह"),
        (who.name, "Núria Gal·la"),
        (who.name, "LI"),
        (who.name, "J. R."),
        (who.name, "Siân O'Brien-Jones"),
        (who.name, "Li"),
        (who.mail, "ann.smith+x@dept.example.org"),
        (who.mail, "zoë@example.org"),
        (who.mail, "ann@müller.de"),
        (who.mail, "ann@example.xn--p1ai"),
        (who.mail, "ann@example.museum"),
        (cells.user, "U-1"),
        (cells.identifier, ""),
        (cells.identifier, "#1"),
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
        ("1790000000000000", "microseconds"),
        ("1790000000000000000", "nanoseconds"),
        ("--5", "not a time"),
        ("-5", "before 2000"),
        ("9" * 5_000, "not a time"),
        ("9" * 5_000 + ".5", "not a time"),
        ("٢٠٢٦", "not a time"),
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
    problem = moments.moment(cell, now=NOW, zone=None)
    assert isinstance(problem, Problem)
    assert told in problem.told


def test_times_are_seconds_or_iso_with_a_zone_or_in_the_zone_that_is_said() -> None:
    zone = ZoneInfo("Africa/Johannesburg")
    assert moments.moment("1788220800", now=NOW, zone=None) == 1_788_220_800
    assert moments.moment("2026-09-01T02:00:00+02:00", now=NOW, zone=None) == 1_788_220_800
    assert moments.moment("2026-09-01 02:00:00", now=NOW, zone=zone) == 1_788_220_800


@pytest.mark.parametrize("name", ["Europe", "Europe/Nowhere", "../etc/passwd", "/etc", "\0"])
def test_a_zone_that_is_none_is_told_with_what_to_do(name: str) -> None:
    with pytest.raises(InvalidInputError, match="--timezone: there is no zone") as caught:
        zone_of(name)
    assert caught.value.hint
    assert str(zone_of("Europe/London")) == "Europe/London"
    assert zone_of("") is None
