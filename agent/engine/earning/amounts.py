"""Amounts as postings: fixed ones, quantities (so much for each unit of a fact) and shares of a fact. Exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from agent.config.grammar import Number, is_number, number
from agent.config.rulefile.award import AMOUNT_MAX, Amount, Computed
from agent.model import Fact, Observation, Posting

Pays = Callable[[Observation], tuple[tuple[Posting, ...], str]]
"""An observation → what it pays in smallest units, and why that is nothing; one of the two is empty."""

_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledAmount:
    """One currency of an award. ``of`` works its smallest units out of an observation; None where it is fixed."""

    posting: Posting
    of: Callable[[Observation], int | str] | None = None

    @property
    def pays_something(self) -> bool:
        """Whether it can be more than nothing."""
        return self.of is not None or self.posting.amount > 0


def compiled(currency: str, amount: Amount, decimals: int) -> CompiledAmount:
    """One currency of an award as it was written, in smallest units."""
    scale = 10**decimals
    if isinstance(amount, Computed):
        return CompiledAmount(posting=Posting(currency=currency, amount=0), of=_worked_out(amount, scale))
    return CompiledAmount(posting=Posting(currency=currency, amount=int(Fraction(amount) * scale)))


def pays(given: Sequence[CompiledAmount]) -> Pays | None:
    """All currencies of one recipient together; None where every one of them is fixed."""
    if all(each.of is None for each in given):
        return None
    fixed = any(each.of is None for each in given)

    def work(seen: Observation) -> tuple[tuple[Posting, ...], str]:
        found = []
        for each in given:
            amount = each.posting.amount if each.of is None else each.of(seen)
            if isinstance(amount, str):
                return (), amount
            found.append(Posting(currency=each.posting.currency, amount=amount))
        if not fixed and not any(posting.amount for posting in found):
            return (), f"amount 0 {found[0].currency}"
        return tuple(found), ""

    return work


def terms(amount: Amount) -> Iterable[tuple[str, Number]]:
    """The facts an amount is worked out from, each with its number."""
    return amount.terms if isinstance(amount, Computed) else ()


def _worked_out(amount: Computed, scale: int) -> Callable[[Observation], int | str]:
    factors = [(fact, Fraction(times) * scale) for fact, times in amount.terms]
    most = None if amount.maximum is None else int(Fraction(amount.maximum) * scale)
    rounded = _ROUNDED[amount.rounding]

    def work(seen: Observation) -> int | str:
        total = Fraction(0)
        for fact, factor in factors:
            value = number_of(seen.facts.get(fact))
            if value is None:
                return f"no {fact}"
            total += value * factor
        units = max(0, rounded(total))
        if most is not None:
            units = min(units, most)
        return units if units <= AMOUNT_MAX else f"amount over {AMOUNT_MAX}"

    return work


def _half_up(value: Fraction) -> int:
    return floor(value + _HALF)


_ROUNDED: Mapping[str, Callable[[Fraction], int]] = {"down": floor, "up": ceil, "half": _half_up}


def number_of(value: Fact | None) -> Number | None:
    """The number a fact is, also where it is written as a text; None where it is none."""
    if isinstance(value, bool) or value is None or isinstance(value, tuple):
        return None
    if isinstance(value, str):
        return number(value) if is_number(value) else None
    return value
