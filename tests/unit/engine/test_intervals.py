"""Bounds of differences are those that the books have."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.engine.experiment.intervals import Sums, of_means, of_shares, root, wilson


def sums(*values: int) -> Sums:
    found = Sums()
    for value in values:
        found.add(value)
    return found


def near(value: Fraction, wanted: float, within: float = 0.0005) -> bool:
    return abs(float(value) - wanted) < within


def test_two_means_differ_as_welch_says() -> None:
    # worked out by integrating Student's density: 27.88 degrees of freedom, 2.0488 times 1.47791
    found = of_means(sums(*range(1, 21)), sums(*(number for number in range(1, 11) for _ in range(2))))
    assert found is not None
    assert found.estimate == 5
    assert near(found.low, 1.97207)
    assert near(found.high, 8.02793)
    assert found.above
    assert not found.below


def test_shares_differ_as_newcombe_says() -> None:
    # Newcombe 1998, table II, method 10: 56/70 and 48/80, 0.0524 to 0.3339; 9/10 and 3/10, 0.1705 to 0.8090
    for one, other, low, high in (((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090)):
        found = of_shares(one, other)
        assert near(found.low, low)
        assert near(found.high, high)


def test_a_share_of_nobody_or_everybody_has_bounds_too() -> None:
    assert wilson(0, 10)[0] == 0
    assert near(wilson(0, 10)[1], 0.2775)
    assert wilson(10, 10)[1] == 1


def test_what_is_alike_in_everybody_differs_by_just_that() -> None:
    found = of_means(sums(3, 3, 3), sums(1, 1))
    assert found is not None
    assert {found.low, found.estimate, found.high} == {Fraction(2)}
    assert of_means(sums(3), sums(1, 1)) is None


@pytest.mark.parametrize("value", [Fraction(0), Fraction(2), Fraction(1, 3), Fraction(10**12, 7)])
def test_a_root_is_one_to_twelve_digits(value: Fraction) -> None:
    assert root(value) ** 2 <= value < (root(value) + Fraction(1, 10**12)) ** 2
