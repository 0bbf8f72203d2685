"""Nominal times and their windows, through clock changes, leap days and cron lines."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from agent.config.cron import Cron
from agent.config.document import MisfitError
from agent.config.grammar import window
from agent.engine.calendar import Calendar
from agent.engine.timing.timetable import Timetable, run_name, utc

BERLIN = ZoneInfo("Europe/Berlin")


def table(*, every: str | None = None, cron: str | None = None, over: str | None = None) -> Timetable:
    """A timetable by Berlin's clock."""
    days = {"sem1": (datetime(2026, 9, 1, tzinfo=BERLIN).date(), datetime(2026, 12, 20, tzinfo=BERLIN).date())}
    calendar = Calendar(BERLIN, periods=days)
    return Timetable(calendar, every=every, cron=Cron(cron) if cron else None, over=window(over) if over else None)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp())


def local(moment: int | None) -> str:
    assert moment is not None
    return datetime.fromtimestamp(moment, BERLIN).strftime("%Y-%m-%d %H:%M %z")


def test_the_weeks_of_the_clock_changes_have_167_and_169_hours() -> None:
    weekly = table(every="week")
    for monday, hours in (("2026-03-23", 167), ("2026-10-19", 169), ("2026-11-02", 168)):
        nominal = weekly.after(at(f"{monday}T12:00:00"))
        assert nominal is not None
        span = weekly.span(nominal)
        assert (span.end - span.begin) / 3600 == hours
        assert local(span.begin).startswith(f"{monday} 00:00")
        assert span.end == nominal


def test_a_cron_time_that_the_clock_skips_or_repeats_is_one_run() -> None:
    nightly = table(cron="30 2 * * *")
    spring = [nightly.after(at("2026-03-28T12:00:00"))]
    spring.append(nightly.after(spring[0] or 0))
    assert [local(one) for one in spring] == ["2026-03-29 03:30 +0200", "2026-03-30 02:30 +0200"]
    autumn = [nightly.after(at("2026-10-24T12:00:00"))]
    autumn.append(nightly.after(autumn[0] or 0))
    assert [local(one) for one in autumn] == ["2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"]


def test_what_one_run_leaves_the_next_one_begins_with() -> None:
    for made in (table(cron="*/30 1-3 * * *"), table(cron="0 18 * * FRI"), table(every="day"), table(every="month")):
        moment, found = at("2026-03-20T00:00:00"), list[int]()
        while len(found) < 60:
            following = made.after(moment)
            assert following is not None
            assert following > moment
            found.append(following)
            moment = following
        spans = [made.span(one) for one in found]
        assert all(one.end == nominal for one, nominal in zip(spans, found, strict=True))
        assert all(one.end == other.begin for one, other in pairwise(spans))


def test_a_window_that_is_named_is_the_last_that_was_over() -> None:
    monday = table(cron="0 8 * * MON", over="week")
    friday = table(cron="0 18 * * FRI", over="week")
    for made in (monday, friday):
        nominal = made.after(at("2026-09-14T00:00:00"))
        assert nominal is not None
        span = made.span(nominal)
        assert (local(span.begin)[:10], local(span.end)[:10]) == ("2026-09-07", "2026-09-14")
    rolling = table(every="day", over="30d")
    assert rolling.span(at("2026-09-14T00:00:00")).begin == at("2026-09-14T00:00:00") - 30 * 86_400
    term = table(every="week", over="sem1")
    assert local(term.span(at("2026-09-14T00:00:00")).begin)[:10] == "2026-09-01"
    assert table(every="week", over="ever").span(at("2026-09-14T00:00:00")).begin == 0


def test_a_period_ends_once() -> None:
    term = table(every="sem1")
    nominal = term.after(at("2026-01-01T00:00:00"))
    assert local(nominal) == "2026-12-21 00:00 +0100"
    assert term.after(nominal or 0) is None
    assert local(term.span(nominal or 0).begin)[:10] == "2026-09-01"


@pytest.mark.parametrize(
    ("every", "cron", "first", "last", "runs"),
    [
        ("week", None, "2026-09-07", "2026-12-21", 16),
        ("month", None, "2026-10-01", "2027-01-01", 4),
        (None, "0 18 * * FRI", "2026-09-04", "2026-12-25", 17),
        ("sem1", None, "2026-12-21", "2026-12-21", 1),
    ],
)
def test_a_period_is_looked_at_from_its_beginning_and_for_the_last_time_once_it_has_ended(
    every: str | None, cron: str | None, first: str, last: str, runs: int
) -> None:
    made = table(every=every, cron=cron, over="sem1")
    found, moment = list[int](), at("2025-01-01T00:00:00")
    while (nominal := made.after(moment)) is not None:
        found.append(nominal)
        moment = nominal
    assert (local(found[0])[:10], local(found[-1])[:10], len(found)) == (first, last, runs)
    assert {local(made.span(one).begin)[:10] for one in found} == {"2026-09-01"}
    assert local(made.span(found[-1]).end)[:10] == "2026-12-21", "the last one has all of it"
    assert made.after(at("2027-06-01T00:00:00")) is None


def test_a_year_and_a_leap_day() -> None:
    assert local(table(every="year").after(at("2026-06-01T00:00:00")))[:10] == "2027-01-01"
    leap = table(cron="0 0 29 2 *")
    assert local(leap.after(at("2026-06-01T00:00:00")))[:10] == "2028-02-29"
    assert table(cron="0 0 30 2 *").after(at("2026-06-01T00:00:00")) is None


@pytest.mark.parametrize(("line", "day"), [("0 0 * * 0", 6), ("0 0 * * 7", 6), ("0 0 * * 1", 0), ("0 0 * * sun", 6)])
def test_days_of_the_week_are_counted_as_cron_counts_them(line: str, day: int) -> None:
    nominal = table(cron=line).after(at("2026-09-09T00:00:00"))
    assert datetime.fromtimestamp(nominal or 0, BERLIN).weekday() == day


@pytest.mark.parametrize("line", ["0 25 * * *", "x 1 * * *", "0 0 * * 9", "0 0 32 * *"])
def test_what_is_no_cron_line_is_refused_with_an_example(line: str) -> None:
    with pytest.raises(MisfitError, match="is not a cron line"):
        Cron(line)


def test_a_run_is_called_by_its_nominal_time_in_utc() -> None:
    assert run_name("champion", at("2026-09-14T00:00:00")) == "champion@2026-09-13T22:00:00Z"
    assert utc(0) == "1970-01-01T00:00:00Z"


class _Counted(Cron):
    """A cron line that counts how often it is asked."""

    asked = 0

    def after(self, wall: datetime) -> datetime | None:
        type(self).asked += 1
        return super().after(wall)


def test_a_cron_line_of_every_minute_is_asked_a_few_times_for_a_run_and_not_for_each_minute_of_an_hour() -> None:
    timetable = Timetable(Calendar(BERLIN), every=None, cron=_Counted("* * * * *"), over=None)
    nominal, asked = at("2026-10-25T01:50:00"), _Counted.asked
    for _ in range(20):
        following = timetable.after(nominal)
        assert following is not None
        assert timetable.span(following).begin == nominal, "each looks at what is since the one before"
        nominal = following
    assert _Counted.asked - asked <= 20 * 5
