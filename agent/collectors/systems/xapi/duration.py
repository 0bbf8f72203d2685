"""ISO 8601 durations as exact seconds."""

from __future__ import annotations

import re
from fractions import Fraction

_PLAIN = re.compile(
    r"P(?:(?P<w>\d{1,6})W|(?:(?P<d>\d{1,6}(?:[.,]\d{1,9})?)D)?"
    r"(?:T(?:(?P<h>\d{1,9}(?:[.,]\d{1,9})?)H)?(?:(?P<m>\d{1,9}(?:[.,]\d{1,9})?)M)?(?:(?P<s>\d{1,12}(?:[.,]\d{1,9})?)S)?)?)"
)
_CALENDAR = re.compile(r"P(?:0+Y)?(?:0+M)?(?=[\dT])")
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def seconds_of(text: str) -> Fraction | None:
    """`PT1H30M` as 5400; None for what is no duration, and for years and months, which have no length of their own."""
    found = _PLAIN.fullmatch(_CALENDAR.sub("P", text.strip().upper()))
    if found is None or not any(found.groups()):
        return None
    parts = (Fraction(value.replace(",", ".")) * _SECONDS[unit] for unit, value in found.groupdict().items() if value)
    return sum(parts, Fraction(0))
