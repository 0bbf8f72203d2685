"""A feed gone quiet against its own weeks is told, and what only looks like it is not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.timing.quiet import HOUR_S, WEEK_H, quiet

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)
HOUR = int(MONDAY.timestamp()) // HOUR_S
"""The first hour of the week that is judged."""


def wall(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def teaching(weeks: int = 8, *, until: int = HOUR, busy: int = 10) -> dict[int, int]:
    """Ten events an hour on weekdays from eight to six, nothing at night and at weekends."""
    found = {}
    for hour in range(HOUR - weeks * WEEK_H, until):
        local = wall(hour * HOUR_S)
        if local.weekday() < 5 and 8 <= local.hour < 18:
            found[hour] = busy + hour % 3
    return found


def judged(hours: dict[int, int], now: int, *closed: date) -> int:
    """How many events are missed at the hour ``now``; 0 where nothing is told."""
    found = quiet(hours, now * HOUR_S, wall=wall, closed=lambda day: day in closed)
    return found.expected if found is not None else 0


def test_a_feed_that_stops_in_a_busy_week_is_told_within_hours() -> None:
    hours = teaching(until=HOUR + 24 + 12)
    assert judged(hours, HOUR + 24 + 13) == 0
    assert judged(hours, HOUR + 24 + 16) >= 20


@pytest.mark.parametrize("hours_later", [3, 20, 40, 62])
def test_a_night_and_a_weekend_are_no_silence(hours_later: int) -> None:
    assert judged(teaching(), HOUR - 54 + hours_later) == 0


def test_a_closed_day_is_no_silence_and_the_day_after_it_is_judged() -> None:
    monday, tuesday = MONDAY.date(), MONDAY.date() + timedelta(days=1)
    assert judged(teaching(), HOUR + 20) > 0
    assert judged(teaching(), HOUR + 20, monday) == 0
    assert judged(teaching(), HOUR + 44, monday, tuesday) == 0
    assert judged(teaching(), HOUR + 24 + 12, monday) > 0


def test_a_feed_that_is_new_or_was_never_busy_is_left_alone() -> None:
    assert judged({}, HOUR) == 0
    assert judged(teaching(weeks=2, until=HOUR + 10), HOUR + 100) == 0
    assert judged({HOUR - 100 * n: 1 for n in range(1, 12)}, HOUR + 48) == 0


def test_in_a_break_that_lets_little_through_a_silence_is_given_longer() -> None:
    hours = teaching()
    for day in range(5):  # a break: two events a day instead of a hundred
        hours |= {HOUR + 24 * day + 9: 1, HOUR + 24 * day + 15: 1}
    assert judged(hours, HOUR + 24 * 4 + 18) == 0
    assert judged(hours, HOUR + 24 * 7 + 18) == 0


def test_one_wild_week_does_not_change_what_is_usual() -> None:
    hours = teaching(until=HOUR + 12)
    for hour in list(hours):
        if HOUR - 4 * WEEK_H <= hour < HOUR - 3 * WEEK_H:
            hours[hour] *= 1_000
    assert 20 <= judged(hours, HOUR + 17) < 100


def test_the_hour_of_the_event_that_ends_a_silence_ends_the_alarm() -> None:
    hours = teaching(until=HOUR + 9)
    assert judged(hours, HOUR + 17) > 0
    assert judged(hours | {HOUR + 17: 1}, HOUR + 17) == 0


@pytest.mark.parametrize("weeks", [1, 5, 8, 60])
def test_a_silence_is_told_until_the_next_event_however_long_it_lasts(weeks: int) -> None:
    assert judged(teaching(), HOUR + weeks * WEEK_H) >= 20


def test_a_feed_that_tells_once_a_week_is_told_when_three_of_its_weeks_are_missing() -> None:
    hours = {HOUR - n * WEEK_H + 9: 1 for n in range(1, 9)}
    assert judged(hours, HOUR + WEEK_H + 9) == 0
    assert judged(hours, HOUR + 2 * WEEK_H + 11) == 3
    week = [MONDAY.date() + timedelta(days=day) for day in range(7)]
    assert judged(hours, HOUR + 2 * WEEK_H + 11, *week) == 0, "one of them is a holiday"


def test_a_feed_with_a_handful_a_day_at_any_hour_is_told_after_a_week_and_not_after_a_weekend() -> None:
    hours = {hour: 1 for hour in teaching() if hour * 7_919 % 5 == 0}
    assert judged(hours, HOUR + 12) == 0
    assert judged(hours, HOUR + 24 * 4) == 0
    assert judged(hours, HOUR + 24 * 9) >= 10


def test_one_event_in_a_long_silence_does_not_keep_the_rest_of_it_untold() -> None:
    hours = teaching() | {HOUR + 24 * 4 + 9: 1}
    assert judged(hours, HOUR + 24 * 4 + 12) == 0
    assert judged(hours, HOUR + 24 * 18) >= 20


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_a_nightly_batch_that_comes_an_hour_later_or_earlier_since_the_clocks_changed_is_no_silence(day: date) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    change = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) // HOUR_S
    for hour in range(change, change + 30):
        come = dict.fromkeys(range(change - 8 * WEEK_H + 1, hour, 24), 300)
        found = quiet(
            come, hour * HOUR_S + 1, closed=lambda _: False,
            wall=lambda at: datetime.fromtimestamp(at, UTC).astimezone(berlin).replace(tzinfo=None),
        )  # fmt: skip
        assert found is None, hour - change


def test_a_nightly_batch_that_stays_away_is_told_an_hour_later_than_it_may_be_late() -> None:
    hours = {HOUR - 24 * day + 2: 300 for day in range(1, 57)}
    assert [judged(hours, HOUR + at) for at in (2, 3, 4)] == [0, 0, 300]


@given(
    counts=st.dictionaries(st.integers(HOUR - 1_500, HOUR + 5), st.integers(-1, 500), max_size=60),
    now=st.integers(HOUR - 10, HOUR + 400),
)
def test_whatever_was_counted_the_judgement_is_sane(counts: dict[int, int], now: int) -> None:
    found = quiet(counts, now * HOUR_S, wall=wall, closed=lambda _: False)
    assert found is None or (found.expected >= 1 and found.since <= now * HOUR_S)
