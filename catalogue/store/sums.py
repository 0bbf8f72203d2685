"""Sums of whole numbers that stay exact beyond 2^63, where SQLite would end the query with an error."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, func, literal

_HALF_BITS = 32
KEPT_MAX = 2**63 - 1
"""The largest whole number that a column keeps."""


def halves(what: ColumnElement[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The sum of an expression as two columns, for `whole`; both None where there are no rows."""
    one = what.self_group()
    high = one.op(">>", return_type=BigInteger())(literal(_HALF_BITS))
    low = one.op("&", return_type=BigInteger())(literal(2**_HALF_BITS - 1, BigInteger()))
    return func.sum(high), func.sum(low)


def whole(high: Any, low: Any) -> int:
    """The sum that `halves` gave; of no rows 0."""
    return (int(high or 0) << _HALF_BITS) + int(low or 0)


def kept(number: int) -> int:
    """The number, or the nearest to it that a column keeps."""
    return max(-KEPT_MAX, min(number, KEPT_MAX))
