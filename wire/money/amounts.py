"""So much of a currency as both ends write it for people: `10 points`, `2.50 credit`. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def number(units: int, decimals: int) -> str:
    """So many smallest units as people write them: `10`, `-2.50`."""
    whole, part = divmod(abs(units), 10**decimals)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{part:0{decimals}d}" if decimals else f"{sign}{whole}"


def figure(units: int, currency: str, decimals: Mapping[str, int], *, signed: bool = False) -> str:
    """The same by the currency's name; what nobody said anything of has no decimals. ``signed`` says `+` too."""
    return f"{'+' if signed and units >= 0 else ''}{number(units, decimals.get(currency, 0))}"


def amount(units: int, currency: str, decimals: Mapping[str, int]) -> str:
    """The same with the name of the currency behind it."""
    return f"{figure(units, currency, decimals)} {currency}"
