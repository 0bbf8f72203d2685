"""Numbers that others write: exact where they are ones, and never more than what can be kept."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors import numbers
from agent.collectors.logstore import draft
from agent.collectors.moodlews.shapes import categories_of
from agent.collectors.moodlews.typed import whole
from agent.collectors.systems import moodle
from agent.collectors.systems.php import decode_php
from agent.config.kinds import KindTable
from agent.errors import InvalidInputError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("66.66667", Fraction(6_666_667, 100_000)), (0.1, Fraction(1, 10)), (" 5 ", 5), ("5.", 5),
        (".5", Fraction(1, 2)), (1.5e-20, Fraction(15, 10**21)),
        (0.1 + 0.2, Fraction(30_000_000_000_000_004, 10**17)), (1e-300, 0), ("1e-5000", 0),
        ("-1e-9999", 0), ("0e9999", 0), (1e-30, Fraction(1, 10**30)), (4e-31, 0),
        (999_999_999_999_999, 999_999_999_999_999), (10**15, None), (-(10**15), None), (1e15, None), ("1e15", None),
        ("1e-3000000", None), ("1" * 41, None), (2**200, None), (float("inf"), None),
        (float("nan"), None), (Decimal("sNaN"), None), (Decimal("Infinity"), None),
        (Decimal("3.10000"), Fraction(31, 10)),
        (True, None), (None, None), ("", None), ("1_000", None), ("٣", None), ("²", None), ("0x10", None), ([1], None),
    ],
)  # fmt: skip
def test_a_number_is_what_is_written_or_none(written: object, meant: int | Fraction | None) -> None:
    assert numbers.exact(written) == meant


@given(st.floats() | st.integers() | st.from_regex(r"[-+]?[0-9]{0,20}\.?[0-9]{0,20}(e[-+]?[0-9]{1,5})?"))
def test_whatever_is_written_a_number_has_digits_that_can_be_told(written: object) -> None:
    found = Fraction(numbers.exact(written) or 0)
    assert abs(found) < 10**15
    assert 10**numbers.PLACES_MAX % found.denominator == 0


@pytest.mark.parametrize("text", ["²", "٣", "", "-", "--5", "+5", "1_000", " 5", "5.0", "9" * 20, str(2**63)])
def test_what_is_no_whole_number_in_plain_digits_is_none(text: str) -> None:
    assert numbers.whole_number(text) is None
    assert numbers.whole_number(text, signed=True) is None
    assert whole(text) is None


def test_a_whole_number_is_one_that_a_database_can_hold() -> None:
    least, most = -(2**63), 2**63 - 1
    assert (numbers.whole_number(str(least), signed=True), numbers.whole_number(str(most))) == (least, most)
    assert numbers.whole_number(str(least - 1), signed=True) is None


def test_a_sign_is_read_where_one_may_stand() -> None:
    assert (numbers.whole_number("-5"), numbers.whole_number("-5", signed=True), whole("-5")) == (None, -5, -5)


def test_thousands_of_digits_are_no_number() -> None:
    digits = "9" * 5_000
    assert (numbers.exact(digits), numbers.exact(10**5_000), numbers.whole_number(digits)) == (None, None, None)


@pytest.mark.parametrize("state", ["²", "9" * 5_000], ids=["²", "5,000 digits"])
def test_a_state_of_a_log_row_that_is_no_number_is_no_fact(state: str) -> None:
    """A row of the log with such a state was a ValueError, and with it the end of the agent."""
    other = f'{{"completionstate":"{state}"}}'
    row = (1, moodle.COMPLETION, "course_modules_completion", 9, 70, 7, 35, 3, 35, 0, other, 1_790_000_000, "web", None)
    (found,) = draft.drafts_of(
        [row],
        draft.Kinds(KindTable()),
        frozenset({"completion_state"}),
        start_at=0,
        backdated=frozenset(),
        seen=Counter(),
    )
    assert (found.detail, found.facts, found.kind) == (state, {}, None)


def test_a_path_of_categories_names_only_numbers() -> None:
    assert categories_of([{"id": 3, "name": "a", "path": "/1/²/3"}]) == {3: ("a", (1, 3))}


def test_a_number_of_php_has_bounds() -> None:
    with pytest.raises(InvalidInputError, match="more than 40 characters"):
        decode_php(b"i:" + b"9" * 5_000 + b";")
