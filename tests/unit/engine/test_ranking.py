"""Places and prizes where results are equal, without a ledger."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.config.rulefile.tables.scheduled import Ties
from agent.engine.schedule.dates import anniversary, lapsed
from agent.engine.schedule.ranking import prize, ranked, reaches
from agent.engine.timing.timetable import Span
from agent.model import Posting
from tests.rule_stories import at, rulebook

PRIZES = (
    (Posting(currency="points", amount=50), Posting(currency="badge:gold", amount=1)),
    (Posting(currency="points", amount=31), Posting(currency="stars", amount=2)),
    (Posting(currency="points", amount=10),),
)


def paid(ties: Ties, **values: int) -> dict[str, dict[str, int]]:
    found = ranked(values, at_least=None, places=len(PRIZES), ties=ties)
    return {
        one.learner: {posting.currency: posting.amount for posting in prize(one, PRIZES, ties=ties)} for one in found
    }


def test_what_is_divided_is_divided_down_and_a_badge_is_not() -> None:
    found = paid("split", ann=7, ben=7, cat=3)
    assert found["ann"] == found["ben"] == {"points": 40, "badge:gold": 1, "stars": 1}
    assert found["cat"] == {"points": 10}
    many = paid("split", ann=7, ben=7, cat=7, dan=7)
    assert {tuple(each.items()) for each in many.values()} == {(("points", 22), ("badge:gold", 1), ("stars", 0))}


def test_who_is_beyond_the_places_gets_nothing() -> None:
    for ties in ("share-place", "split", "all"):
        found = paid(ties, ann=9, ben=8, cat=7, dan=6)
        assert found["dan"] == {}
        assert found["ann"] == {"points": 50, "badge:gold": 1}


def test_places_are_shared_passed_over_or_not() -> None:
    values = {"ann": 9, "ben": 9, "cat": 5, "dan": 4}
    shared = {one.learner: one.place for one in ranked(values, at_least=None, places=3, ties="share-place")}
    dense = {one.learner: one.place for one in ranked(values, at_least=5, places=3, ties="all")}
    assert shared == {"ann": 1, "ben": 1, "cat": 3, "dan": 4}
    assert dense == {"ann": 1, "ben": 1, "cat": 2}


def test_learners_who_tie_stand_in_the_order_of_their_numbers() -> None:
    values = {"moodle:10": 1, "moodle:9": 1, "abc:11": 1, "moodle:x": 1}
    found = [one.learner for one in ranked(values, at_least=None, places=9, ties="split")]
    assert found == ["abc:11", "moodle:x", "moodle:9", "moodle:10"]


@pytest.mark.parametrize(
    ("value", "least", "takes_part"), [(0, None, False), (Fraction(1, 3), None, True), (19, 20, False), (20, 20, True)]
)
def test_who_has_less_has_no_place(value: int, least: int | None, *, takes_part: bool) -> None:
    assert reaches(value, least) is takes_part


def test_an_absence_becomes_so_long_in_one_window_only() -> None:
    day = 86_400
    assert [lapsed(0, 14 * day, Span(begin=n * day, end=(n + 1) * day)) for n in (13, 14, 15)] == [False, True, False]


def test_an_anniversary_is_on_the_day_itself_by_the_institutions_calendar() -> None:
    calendar = rulebook("").calendar
    first = at("2024-09-10T23:30:00")
    for day, years in (("2024-09-10", 0), ("2025-09-10", 1), ("2026-09-10", 2), ("2026-09-11", 0)):
        begin = at(f"{day}T00:00:00")
        assert anniversary(first, Span(begin=begin, end=begin + 86_400), (), calendar) == years
    begin = at("2026-09-10T00:00:00")
    assert anniversary(first, Span(begin=begin, end=begin + 86_400), (1, 5), calendar) == 0
