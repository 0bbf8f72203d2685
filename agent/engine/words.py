"""Amounts in words: `1 point`, `10 points`, `0.25 credits`, `the badge quiz-ace`. Pure.

The one place that knows what one of a currency is called: as `[currency.x] one` says, else its name without the
plural's s (which `bonus`, `kudos` or `status` keep).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from agent.config.rulefile import Currency
from wire.money.amounts import number

BADGE = "badge:"
"""Before the id of a badge: a badge is an account."""

Currencies = Mapping[str, Currency]

_MANY = re.compile(r"(.*[^suoi])s", re.IGNORECASE)


def name(currency: str, units: int, currencies: Currencies) -> str:
    """What so many smallest units of a currency are called: one and minus one are one."""
    terms = currencies.get(currency)
    if abs(units) != 10 ** (terms.decimals if terms is not None else 0):
        return currency
    return one(currency, currencies)


def one(currency: str, currencies: Currencies) -> str:
    """What one of a currency is called."""
    terms, found = currencies.get(currency), _MANY.fullmatch(currency)
    return (terms.one if terms is not None else "") or (found[1] if found else currency)


def amount(account: str, units: int, currencies: Currencies) -> str:
    """An amount of one account; a badge has no number."""
    if account.startswith(BADGE):
        return f"the badge {account.removeprefix(BADGE)}"
    terms = currencies.get(account)
    return f"{number(units, terms.decimals if terms is not None else 0)} {name(account, units, currencies)}"


def amounts(listed: Iterable[tuple[str, int]], currencies: Currencies) -> str:
    """Several of them: `10 points, the badge quiz-ace`; `nothing` where there is none."""
    return ", ".join(amount(account, units, currencies) for account, units in listed) or "nothing"
