"""Whether two conditions on one fact can both hold, or one holds wherever the other does; exact, or it is not said."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from agent.config.comparison import Comparison, Operand
from agent.config.grammar import Number, is_length, is_number, quantity

_ENDLESS = Fraction(10**40)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Numbers from ``low`` to ``high``; an end that is open does not belong to it."""

    low: Number = -_ENDLESS
    high: Number = _ENDLESS
    low_open: bool = False
    high_open: bool = False

    def meets(self, other: _Span) -> bool:
        low, high = max(self.low, other.low), min(self.high, other.high)
        if low != high:
            return low < high
        return not any(
            (span.low == low and span.low_open) or (span.high == low and span.high_open) for span in (self, other)
        )

    def within(self, other: _Span) -> bool:
        low = self.low > other.low or (self.low == other.low and (self.low_open or not other.low_open))
        high = self.high < other.high or (self.high == other.high and (self.high_open or not other.high_open))
        return low and high


_Part = _Span | str | bool


def excludes(one: Comparison, other: Comparison) -> bool:
    """Whether certainly no value fits both."""
    if "!=" in {one.op, other.op}:
        unlike, like = (one, other) if one.op == "!=" else (other, one)
        value, barred = _exact(like), _exact(unlike)
        return like.op == "=" and isinstance(value, bool) == isinstance(barred, bool) and value == barred
    mine, others = _parts(one), _parts(other)
    return bool(mine and others) and not any(_meet(a, b) for a in mine for b in others)


def implies(one: Comparison, other: Comparison) -> bool:
    """Whether certainly every value that fits ``one`` fits ``other``."""
    if one == other:
        return True
    if other.op == "!=":
        return excludes(one, Comparison(text="", op="=", operand=other.operand))
    mine, others = _parts(one), _parts(other)
    return bool(mine and others) and all(any(_inside(a, b) for b in others) for a in mine)


def _parts(test: Comparison) -> list[_Part]:
    """What fits, piece by piece; nothing where that cannot be listed."""
    if test.op == "one of":
        listed = [_parts(member) for member in test.members]
        return [part for parts in listed for part in parts] if all(listed) else []
    operand = _exact(test)
    if isinstance(operand, bool):
        return [operand]
    if isinstance(operand, (int, Fraction)):
        span = _span(test, operand)
        return [] if span is None else [span]
    return [operand] if isinstance(operand, str) and test.op == "=" and "*" not in operand else []


def _exact(test: Comparison) -> Operand:
    """What it compares with; a number or a duration that is written as a text is that number."""
    operand = test.operand
    return quantity(operand) if isinstance(operand, str) and (is_number(operand) or is_length(operand)) else operand


def _span(test: Comparison, operand: Number) -> _Span | None:
    return {
        ">=": _Span(low=operand),
        ">": _Span(low=operand, low_open=True),
        "<=": _Span(high=operand),
        "<": _Span(high=operand, high_open=True),
        "=": _Span(low=operand, high=operand),
        "..": _Span(low=operand, high=test.high),
    }.get(test.op)


def _meet(one: _Part, other: _Part) -> bool:
    if isinstance(one, _Span) and isinstance(other, _Span):
        return one.meets(other)
    # A truth value also fits the number or word that it is written as; a number can be written as a word.
    return type(one) is not type(other) or one == other


def _inside(one: _Part, other: _Part) -> bool:
    if isinstance(one, _Span) and isinstance(other, _Span):
        return one.within(other)
    return type(one) is type(other) and one == other
