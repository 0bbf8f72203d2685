"""Days, weeks and months by the institution's wall clock, clock changes included."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from agent.engine.calendar import Calendar

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp())


DAYS = [
    ("Africa/Johannesburg", 0, "2026-09-06T21:59:59", "2026-09-06"),
    ("Africa/Johannesburg", 0, "2026-09-06T22:00:00", "2026-09-07"),
    ("Africa/Johannesburg", 4, "2026-09-07T01:59:59", "2026-09-06"),
    ("Africa/Johannesburg", 4, "2026-09-07T02:00:00", "2026-09-07"),
    # the night the clocks go back: 02:30 comes twice, and four o'clock on the wall still begins the day
    ("Europe/Berlin", 4, "2026-10-25T02:59:59", "2026-10-24"),
    ("Europe/Berlin", 4, "2026-10-25T03:00:00", "2026-10-25"),
    # the night they go forward
    ("Europe/Berlin", 4, "2026-03-29T01:59:59", "2026-03-28"),
    ("Europe/Berlin", 4, "2026-03-29T02:00:00", "2026-03-29"),
    # a day that begins inside a quarter of an hour
    ("Asia/Kathmandu", 0, "2026-09-06T18:14:59", "2026-09-06"),
    ("Asia/Kathmandu", 0, "2026-09-06T18:15:00", "2026-09-07"),
    ("Australia/Lord_Howe", 0, "2026-10-03T13:29:59", "2026-10-03"),
    ("Australia/Lord_Howe", 0, "2026-10-03T13:30:00", "2026-10-04"),
]


@pytest.mark.parametrize(("zone", "starts_at", "when", "day"), DAYS)
def test_a_day_begins_by_the_wall_clock(zone: str, starts_at: int, when: str, day: str) -> None:
    calendar = Calendar(ZoneInfo(zone), day_starts_at=starts_at * 3600)
    assert calendar.moment(utc(when)).windows["day"] == day
    assert calendar.moment(utc(when)).windows["day"] == day  # also when it is remembered


def test_a_day_that_begins_between_two_quarters_is_still_exact() -> None:
    calendar = Calendar(ZoneInfo("UTC"), day_starts_at=4 * 3600 + 7 * 60)
    days = [calendar.moment(utc(f"2026-09-07T04:{minute}")).windows["day"] for minute in ("06:59", "07:00", "08:00")]
    assert days == ["2026-09-06", "2026-09-07", "2026-09-07"]


def test_windows_have_names_and_a_week_is_named_by_its_first_day() -> None:
    periods = {"sem1": (date(2026, 9, 1), date(2026, 9, 7)), "later": (date(2027, 1, 1), date(2027, 1, 1))}
    calendar = Calendar(BERLIN, week_starts_on=6, periods=periods)
    assert calendar.moment(utc("2026-09-07T10:00:00")).windows == {
        "sem1": "sem1",
        "day": "2026-09-07",
        "week": "W2026-09-06",
        "month": "2026-09",
        "year": "2026",
        "ever": "",
    }
    monday = Calendar(BERLIN).moment(utc("2026-09-13T10:00:00"))
    assert (monday.windows["week"], monday.weekday) == ("W2026-09-07", 6)


ENDS = [
    ("day", "2026-10-25T10:00:00", "2026-10-25T23:00:00"),
    ("week", "2026-10-25T10:00:00", "2026-10-25T23:00:00"),
    ("month", "2026-10-25T10:00:00", "2026-10-31T23:00:00"),
    ("month", "2026-12-31T10:00:00", "2026-12-31T23:00:00"),
    ("year", "2026-10-25T10:00:00", "2026-12-31T23:00:00"),
    ("sem1", "2026-10-25T10:00:00", "2026-12-20T23:00:00"),
]


@pytest.mark.parametrize(("name", "when", "ends"), ENDS)
def test_a_window_ends_when_the_next_begins(name: str, when: str, ends: str) -> None:
    calendar = Calendar(BERLIN, periods={"sem1": (date(2026, 9, 1), date(2026, 12, 20))})
    assert calendar.ends(name, utc(when)) == utc(ends)
    assert calendar.ends("ever", utc(when)) is None


def test_a_time_without_an_offset_is_local_and_one_with_it_is_not() -> None:
    calendar = Calendar(BERLIN)
    assert calendar.at(datetime.fromisoformat("2026-09-07T09:00:00")) == utc("2026-09-07T07:00:00")
    assert calendar.at(datetime.fromisoformat("2026-09-07T09:00:00+00:00")) == utc("2026-09-07T09:00:00")


def test_what_is_remembered_is_bounded() -> None:
    calendar = Calendar(ZoneInfo("UTC"))
    for quarter in range(20_100):
        calendar.moment(quarter * 900)
    assert calendar.moment(0).windows["day"] == "1970-01-01"


@pytest.mark.parametrize(
    ("zone", "starts_at_s", "day"),
    [
        ("America/St_Johns", 9_000, "2026-03-08"),
        ("Europe/Berlin", 9_000, "2026-03-29"),
        ("Australia/Lord_Howe", 7_500, "2026-10-04"),
        ("Pacific/Apia", 0, "2011-12-30"),
        ("Pacific/Apia", 82_800, "2011-12-30"),
        ("Pacific/Apia", 82_800, "2011-12-31"),
    ],
)
def test_a_day_whose_beginning_the_clock_leaves_out_begins_as_it_jumps(zone: str, starts_at_s: int, day: str) -> None:
    """A week was over half an hour late for the ranking alone, and two days of Apia had one ranking between them."""
    calendar, wanted = Calendar(ZoneInfo(zone), day_starts_at=starts_at_s), date.fromisoformat(day)
    begins = calendar.starts(wanted)
    assert calendar.day(begins - 1) < wanted <= calendar.day(begins)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_period_that_is_meant_for_always_begins_and_ends_like_any_other(zone: str) -> None:
    always = Calendar(ZoneInfo(zone), day_starts_at=14_400, periods={"always": (date.min, date.max)})
    begins, over = always.whole("always")
    assert begins < 0 < 2**37 < over
    assert (always.began("always", 0), always.ends("always", 1_790_000_000)) == (begins, over)
    assert always.moment(1_790_000_000).windows["always"] == "always"
    assert always.starts(date.min) == begins
    assert always.over(date.max) == over
