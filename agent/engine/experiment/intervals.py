"""How far two groups differ, and between which bounds: exact numbers in, exact numbers out. Pure.

Bounds are those of 95 %: of twenty pairs of groups that differ by nothing, one is told of as if it differed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

Z = Fraction("1.959963984540054")
"""The 97.5 % point of the normal distribution."""
_ROOT_SCALE = 10**12
_TWO = 2


class Sums:
    """What is kept of numbers that are added up: how many they are, their sum, and the sum of their squares."""

    __slots__ = ("count", "squares", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = Fraction(0)
        self.squares = Fraction(0)

    def add(self, value: Fraction | int) -> None:
        """One number more."""
        self.count += 1
        self.total += value
        self.squares += value * value

    @property
    def mean(self) -> Fraction:
        """Of at least one number."""
        return self.total / self.count

    @property
    def spread(self) -> Fraction:
        """The variance of the mean, of at least two numbers: what is about them, over how many they are."""
        about = (self.squares - self.total * self.total / self.count) / (self.count - 1)
        return about / self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A difference, and the bounds that it lies between."""

    estimate: Fraction
    low: Fraction
    high: Fraction

    @property
    def above(self) -> bool:
        """Whether it is more than nothing."""
        return self.low > 0

    @property
    def below(self) -> bool:
        """Whether it is less than nothing."""
        return self.high < 0


def of_means(one: Sums, other: Sums) -> Interval | None:
    """The mean of ``one`` less that of the ``other``, after Welch; None where one has fewer than two numbers."""
    if min(one.count, other.count) < _TWO:
        return None
    estimate, mine, theirs = one.mean - other.mean, one.spread, other.spread
    both = mine + theirs
    if not both:
        return Interval(estimate=estimate, low=estimate, high=estimate)
    freedom = both * both / (mine * mine / (one.count - 1) + theirs * theirs / (other.count - 1))
    reach = _t(freedom) * root(both)
    return Interval(estimate=estimate, low=estimate - reach, high=estimate + reach)


def of_shares(one: tuple[int, int], other: tuple[int, int]) -> Interval:
    """The share of ``one`` (so many of so many) less that of the ``other``, by Newcombe's hybrid of Wilson's scores."""
    mine, theirs = Fraction(*one), Fraction(*other)
    (low, high), (their_low, their_high) = wilson(*one), wilson(*other)
    down = root((mine - low) ** 2 + (their_high - theirs) ** 2)
    up = root((high - mine) ** 2 + (theirs - their_low) ** 2)
    estimate = mine - theirs
    return Interval(estimate=estimate, low=estimate - down, high=estimate + up)


def wilson(done: int, count: int) -> tuple[Fraction, Fraction]:
    """Wilson's score interval of a share."""
    share, square = Fraction(done, count), Z * Z
    middle = share + square / (2 * count)
    reach = Z * root(share * (1 - share) / count + square / (4 * count * count))
    whole = 1 + square / count
    return max(Fraction(0), (middle - reach) / whole), min(Fraction(1), (middle + reach) / whole)


def root(value: Fraction) -> Fraction:
    """The square root, exact where there is one, else to twelve digits after the point."""
    inside = value.numerator * value.denominator * _ROOT_SCALE**2
    return Fraction(isqrt(inside), value.denominator * _ROOT_SCALE)


def _t(freedom: Fraction) -> Fraction:
    """The 97.5 % point of Student's t, by the expansion of Cornish and Fisher: good to four digits from ten on."""
    z, n = Z, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92_160 * n**4)
    )
