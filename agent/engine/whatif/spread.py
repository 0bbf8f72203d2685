"""How amounts are spread over learners: counts in ranges of one round width. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

RANGES_MAX = 12
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Amounts ``low`` to ``high``, both included, and how many gain so much: one count for each set of rules."""

    low: int
    high: int
    counts: tuple[int, ...]


def spread(sets: Sequence[Iterable[int]]) -> tuple[Range, ...]:
    """The ranges from 1 to the largest amount of all ``sets``; amounts of 0 are not counted."""
    listed = [[amount for amount in amounts if amount > 0] for amounts in sets]
    most = max((amount for amounts in listed for amount in amounts), default=0)
    if not most:
        return ()
    width = _width(most)
    counts = [[0] * len(listed) for _ in range((most - 1) // width + 1)]
    for number, amounts in enumerate(listed):
        for amount in amounts:
            counts[(amount - 1) // width][number] += 1
    return tuple(
        Range(low=n * width + 1, high=(n + 1) * width, counts=tuple(counted)) for n, counted in enumerate(counts)
    )


def _width(most: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, … that needs few enough ranges."""
    power = 1
    while True:
        for step in _STEPS:
            if (most - 1) // (step * power) < RANGES_MAX:
                return step * power
        power *= 10
