"""Exact figures: shares, means, square roots to so many places, the chance of a coin."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

ROOT_PLACES = 6


def share(count: int, of: int) -> Fraction | None:
    """Of a hundred; None of nothing."""
    return Fraction(100 * count, of) if of else None


def ratio(count: int, of: int) -> Fraction | None:
    """So many for each; None of nothing."""
    return Fraction(count, of) if of else None


def root(value: Fraction) -> Fraction:
    """The square root, cut off after six places: whole numbers alone, so that every machine finds the same."""
    scale = 10**ROOT_PLACES
    return Fraction(isqrt(value.numerator * scale * scale // value.denominator), scale)


def coin(up: int, down: int) -> Fraction:
    """How likely a fair coin falls at least as unevenly as ``up`` to ``down``: the two-sided sign test, exact."""
    tosses = up + down
    term, total = 1, 1
    for number in range(min(up, down)):
        term = term * (tosses - number) // (number + 1)
        total += term
    return min(Fraction(1), Fraction(2 * total, 2**tosses))
