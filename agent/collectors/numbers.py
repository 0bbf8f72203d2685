"""Numbers as others write them, exact and bounded: whatever was read here can be kept, compared and told. Pure."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

DIGITS_MAX = 19
"""Digits of a whole number: those of a signed number of 64 bits."""
BELOW_DIGITS_MAX = 15
"""Digits before the point of a number that may have some behind it: what a float holds exactly."""
PLACES_MAX = 30
"""Digits behind the point; what is left of a number beyond them is rounded away, so `1e-5000` is 0."""
_LARGEST = 2**63
_TEXT_MAX = 40
_DIGITS = re.compile(rf"[0-9]{{1,{DIGITS_MAX}}}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_LAST_PLACE = Decimal(1).scaleb(-PLACES_MAX)
_ROUNDED = Context(prec=BELOW_DIGITS_MAX + PLACES_MAX, rounding=ROUND_HALF_EVEN)


def whole_number(text: str, *, signed: bool = False) -> int | None:
    """A whole number of 64 bits in plain digits; None for anything else, `²` and five thousand digits included."""
    number = int(text) if _DIGITS.fullmatch(text.removeprefix("-") if signed else text) else None
    return number if number is not None and -_LARGEST <= number < _LARGEST else None


def decimal_of(value: object) -> Decimal | None:
    """A number as it is written (a float as its shortest decimal).

    None for null, texts, truth values, what is not finite and what has more than 15 digits before the point.
    """
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        text = str(value).strip() if not isinstance(value, int) or abs(value) < 10**BELOW_DIGITS_MAX else ""
        if len(text) > _TEXT_MAX or not _NUMBER.fullmatch(text):
            return None
        number = Decimal(text)
    else:
        return None
    if not number:
        return Decimal(0)
    if not number.is_finite() or number.adjusted() >= BELOW_DIGITS_MAX:
        return None
    exponent = number.as_tuple().exponent
    return number.quantize(_LAST_PLACE, context=_ROUNDED) if int(exponent) < -PLACES_MAX else number


def exact(value: object) -> int | Fraction | None:
    """`decimal_of` as an exact number: a whole one as int."""
    number = decimal_of(value)
    return None if number is None else whole(Fraction(number))


def whole(number: Fraction) -> int | Fraction:
    """An int where it is one."""
    return number.numerator if number.denominator == 1 else number
