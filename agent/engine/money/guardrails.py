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


def covered(rulebook: Rulebook, currency: str, amount: int, *, balance: int) -> None:
    """Refuse to take more by hand than the ``balance`` (smallest units), where the currency lets nobody owe.

    Raises:
        InvalidInputError: that would leave less than nothing; what there is, and the key that says so.
    """
    terms = rulebook.currencies.get(currency)
    left = balance + amount
    if amount >= 0 or left >= 0 or terms is None or terms.in_debt == "owe":
        return
    unit = 10**terms.decimals
    key = 'overdraw = "forgive"' if terms.spendable else "spendable = false"
    most = f"take at most {shown(Fraction(balance, unit))}" if balance > 0 else "there is nothing to take"
    raise InvalidInputError(
        f"the balance is {shown(Fraction(balance, unit))} {currency}: taking {shown(Fraction(-amount, unit))} would"
        f" leave {shown(Fraction(left, unit))}",
        hint=f"nobody owes {currency}, the rules say so: [currency.{currency}] {key}; {most}",
    )
