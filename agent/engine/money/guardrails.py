"""What a correction by hand may come to: the bounds that the rules set for people. Pure."""

from __future__ import annotations

from fractions import Fraction

from agent.engine.conditions import shown
from agent.engine.rulebook import Rulebook
from agent.errors import InvalidInputError


def within(rulebook: Rulebook, currency: str, amount: int) -> None:
    """Refuse an adjustment by ``amount`` (smallest units) that is beyond the currency's `adjust_max`.

    Raises:
        InvalidInputError: it is beyond; the bound is said.
    """
    terms = rulebook.currencies.get(currency)
    if terms is None or terms.adjust_max is None:
        return
    if abs(amount) > Fraction(terms.adjust_max) * 10**terms.decimals:
        raise InvalidInputError(
            f"one adjustment moves at most {shown(terms.adjust_max)} {currency}",
            hint=f"the rules say so: [currency.{currency}] adjust_max; a programme owner may raise it",
        )
