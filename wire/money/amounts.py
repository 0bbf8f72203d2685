"""So much of a currency as both ends write it for people: `10 points`, `2.50 credit`. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def number(units: int, decimals: int) -> str:
    """So many smallest units as people write them: `10`, `-2.50`."""
    whole, part = divmod(abs(units), 10**decimals)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{part:0{decimals}d}" if decimals else f"{sign}{whole}"


def amount(units: int, currency: str, decimals: Mapping[str, int]) -> str:
    """So many smallest units with the name of the currency; what nobody said anything of has no decimals."""
    return f"{number(units, decimals.get(currency, 0))} {currency}"
