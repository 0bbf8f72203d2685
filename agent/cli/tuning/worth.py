"""What points cost: a price for a unit of a currency, as the rules say it (`worth`) or somebody asks (`--price`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from agent.config.rulefile.tables.currency import PRICE
from agent.errors import InvalidInputError

if TYPE_CHECKING:
    from agent.config.rulefile import RuleFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one whole unit of a currency costs; ``money`` is its name, such as GBP (may be empty)."""

    amount: Decimal
    money: str

    def of(self, units: int, decimals: int) -> str:
        """The cost of an amount in smallest units: `12.40 GBP`, exact to the cent."""
        cost = (self.amount * Decimal(units)).scaleb(-decimals).quantize(Decimal("0.01"))
        return f"{cost:,} {self.money}".strip()


def prices(file: RuleFile, asked: Iterable[str]) -> dict[str, Price]:
    """Currency → price: what the rules say their currencies are worth, and over it what is asked.

    Raises:
        InvalidInputError: a price cannot be read, or names a currency that the rules do not have.
    """
    found = {name: price for name, one in file.currencies.items() if (price := _price(one.worth)) is not None}
    for text in asked:
        name, price = _asked(text, file.currencies)
        found[name] = price
    return found


def _asked(text: str, currencies: Mapping[str, object]) -> tuple[str, Price]:
    name, sign, rest = text.rpartition("=")
    name = name.strip() if sign else "points"
    price = _price(rest)
    if price is None:
        raise InvalidInputError(f"{text!r} is not a price", hint='write "0.01 GBP" or "reputation=0.02 GBP"')
    if name not in currencies:
        raise InvalidInputError(f"there is no currency {name!r}", hint=f"the rules know: {', '.join(currencies)}")
    return name, price


def _price(text: str) -> Price | None:
    found = PRICE.fullmatch(text.strip())
    return Price(amount=Decimal(found[1]), money=found[2]) if found else None
