"""The small languages of rules.toml: what they read, and what they say of what they cannot read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from agent.config import grammar
from agent.config.comparison import comparison
from agent.config.document import MisfitError
from agent.config.rulefile.award import award_parts

READ = [
    (grammar.duration, "90s", 90),
    (grammar.duration, "30m", 1800),
    (grammar.duration, "12h", 43_200),
    (grammar.duration, "7d", 604_800),
    (grammar.duration, "2w", 1_209_600),
    (grammar.number, "80", 80),
    (grammar.number, "79.50", Fraction(159, 2)),
    (grammar.number, "-3.0", -3),
    (grammar.clock, "04:30", 16_200),
    (grammar.hours, "22:00-02:00", (79_200, 7200)),
    (grammar.weekday, "Sunday", 6),
    (grammar.weekday, "tue", 1),
    (grammar.days, "2026-12-24..2027-01-05", (date(2026, 12, 24), date(2027, 1, 5))),
    (grammar.days, "2026-12-24", (date(2026, 12, 24), date(2026, 12, 24))),
    (grammar.days, date(2026, 12, 24), (date(2026, 12, 24), date(2026, 12, 24))),
    (grammar.days, "2026-12-24 .. 2026-12-25", (date(2026, 12, 24), date(2026, 12, 25))),
    (grammar.days, datetime(2026, 12, 24), (date(2026, 12, 24), date(2026, 12, 24))),  # noqa: DTZ001
    (grammar.toml_number, Decimal("0.10"), Fraction(1, 10)),
    (grammar.toml_number, Decimal("1E+2"), 100),
    (grammar.toml_number, True, None),
    (grammar.shown_number, Fraction(-200, 3), "-66.66667"),
    (grammar.shown_number, Fraction(1, 2), "0.5"),
    (grammar.shown_number, 12, "12"),
    (grammar.shown_duration, 939, "15m 39s"),
    (grammar.shown_duration, -7_200, "-2h"),
    (grammar.shown_duration, Fraction(2_419_201, 2), "14d"),
    (grammar.shown_duration, 93_784, "1d 2h 3m 4s"),
    (grammar.shown_duration, 0, "0s"),
]


@pytest.mark.parametrize(("reader", "text", "value"), READ)
def test_what_is_written_is_read_exactly(reader: Any, text: Any, value: object) -> None:
    assert reader(text) == value


LIMITS = [
    ("3/day", "3/day", "calendar", 0),
    ("20 points/ever", "20 points/ever", "calendar", 0),
    ("5/7d", "5/7d", "rolling", 604_800),
    ("2 / sem1", "2/sem1", "period", 0),
    ("1.5 coin/12h", "1.5 coin/12h", "rolling", 43_200),
    ({"of": "60 points/30d", "over": "trim", "for": "referrer"}, "60 points/30d", "rolling", 2_592_000),
]


@pytest.mark.parametrize(("written", "text", "kind", "seconds"), LIMITS)
def test_a_limit_counts_awards_or_amounts_in_a_window(written: Any, text: str, kind: str, seconds: int) -> None:
    limit = grammar.limit(written)
    assert (limit.text, limit.window.kind, limit.window.seconds) == (text, kind, seconds)


UNREADABLE: list[tuple[Any, Any, str]] = [
    (grammar.duration, "7", "'7' is not a duration"),
    (grammar.duration, 7, "7 is not a duration"),
    (grammar.duration, "0d", "'0d' is no time at all"),
    (grammar.number, "1e5", "'1e5' is not a number"),
    (grammar.name, "a b", "'a b' is not a name"),
    (grammar.name, 1, "1 is not a name"),
    (grammar.clock, "24:00", "'24:00' is not a time of day"),
    (grammar.clock, 800, "800 is not a time of day"),
    (grammar.hours, "08:00", "'08:00' is not a span of hours"),
    (grammar.hours, 8, "8 is not a span of hours"),
    (grammar.hours, "08:00-08:00", "'08:00-08:00' is no time at all"),
    (grammar.weekday, "montag", "'montag' is not a day of the week"),
    (grammar.weekday, 1, "1 is not a day of the week"),
    (grammar.days, "2026-13-01", "'2026-13-01' is not a span of days"),
    (grammar.days, 5, "5 is not a span of days"),
    (grammar.days, "2026-W52", "'2026-W52' is not a span of days"),
    (grammar.days, "20261224", "'20261224' is not a span of days"),
    (grammar.days, "2026-12-30..", "'2026-12-30..' is not a span of days"),
    (grammar.days, "..2026-12-30", "'..2026-12-30' is not a span of days"),
    (grammar.days, datetime(2026, 12, 24, 9), "2026-12-24T09:00:00 is not a span of days"),  # noqa: DTZ001
    (grammar.days, datetime(2026, 12, 24, tzinfo=UTC), "2026-12-24T00:00:00+00:00 is not a span of days"),
    (grammar.days, "2026-12-24..2026-12-23", "'2026-12-24..2026-12-23' ends before it begins"),
    (grammar.toml_number, 10**16, "10000000000000000 is too large"),
    (grammar.toml_number, Decimal("NaN"), "NaN is not a number"),
    (grammar.toml_number, Decimal("0.0000000001"), "1E-10 is too long"),
    (grammar.limit, "3", "'3' is not a limit"),
    (grammar.limit, 3, "3 is not a limit"),
    (grammar.limit, "x/day", "'x' is not a number"),
    (grammar.limit, "0/day", "a limit of nothing never pays"),
    (grammar.limit, "1.5/day", "1.5 awards cannot be counted"),
    (grammar.limit, "1 €/day", "'€' is not the name of a currency"),
    (grammar.limit, "1/day!", "'day!' is not a window"),
    (grammar.limit, "1/7", "'7' is not a duration"),
    (grammar.limit, {"over": "trim"}, "a limit needs `of`"),
    (grammar.limit, {"of": 3}, "3 is not a limit"),
    (grammar.limit, {"of": "3/day", "over": "drop"}, "'drop' is not a way to go over"),
    (grammar.limit, {"of": "3/day", "over": "trim"}, "an award cannot be trimmed to a part of itself"),
    (grammar.limit, {"of": "3/day", "for": "friend"}, "'friend' is not a recipient"),
    (grammar.limit, {"of": "3/day", "till": 1}, "unknown key 'till'"),
    (comparison, "=>80", "'=>' is no comparison here"),
    (comparison, "≥80", "'≥' is no comparison here"),
    (comparison, "<>x", "'<>' is no comparison here"),
    (comparison, "==80", "'==' is no comparison here"),
    (comparison, ">=", "'>=' does not say what to compare with"),
    (comparison, ">=>5", "'>=>5' does not say what to compare with"),
    (comparison, ">=high", "'high' is neither a number nor a duration"),
    (comparison, "79..60", "'79..60' ends before it begins"),
    (comparison, "<= @ 1", "'1' is not a name"),
    (comparison, [], "an empty list fits nothing"),
    (comparison, [[1]], "a list of conditions holds plain values only"),
    (comparison, date(2026, 1, 1), "2026-01-01 cannot be compared with a fact"),
    (comparison, {"if_unknown": "pass"}, "a condition in braces needs `is`"),
    (comparison, {"is": {"is": 1}}, "a condition in braces needs `is`"),
    (comparison, {"is": 1, "if_unknown": "ask"}, "'ask' is no answer to an unknown fact"),
    (comparison, {"is": 1, "else": 2}, "unknown key 'else'"),
    (award_parts, True, "true is not an amount"),
    (award_parts, "10", "'10' is not an amount"),
    (award_parts, -1, "an award cannot be negative"),
    (award_parts, 10**12 + 1, "an award of more than 1000000000000"),
    (award_parts, [], "an empty list awards nothing to nobody"),
    (award_parts, {}, "an award without a currency"),
    (award_parts, [5], "a list of awards holds tables"),
    (award_parts, [{"to": "friend", "points": 1}], "'friend' is not a recipient"),
    (award_parts, [{"to": "actor", "points": 1}, {"to": "actor", "points": 1}], "this recipient is named twice"),
    (award_parts, {"points": {"times": 2}}, "an amount that is a table needs `per` or `of`"),
]


@pytest.mark.parametrize(("reader", "written", "message"), UNREADABLE)
def test_what_cannot_be_read_says_what_is_wrong_and_what_was_meant(reader: Any, written: Any, message: str) -> None:
    with pytest.raises(MisfitError) as caught:
        reader(written)
    assert caught.value.message == message
    assert caught.value.hint


def test_the_largest_award_is_still_an_award() -> None:
    assert award_parts(10**12)[0].amounts == (("points", 10**12),)
