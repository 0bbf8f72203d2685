"""`[currency.…]` and `[[level]]`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, StrictBool, StrictInt, StrictStr

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.grammar import Number
from agent.config.rulefile.types import Expiry, Model, Name, Text, Total

DECIMALS_MAX = 6
PRICE = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*([A-Za-z$€£¥]{0,8})")
"""What one whole unit is worth, as reports read it: `0.01 GBP`."""


def _bound(value: Any) -> Number:
    bound = grammar.toml_number(value)
    if bound is None or bound <= 0:
        raise MisfitError(f"{quoted(value)} is no amount", "a number above zero, such as adjust_max = 500")
    return bound


class Currency(Model):
    """A currency; whole units unless ``decimals`` says otherwise. ``expires_after`` None is never (seconds).

    ``notice`` is how long before a lot expires that is told (seconds); ``adjust_max`` is the most that one adjustment
    by hand gives or takes, None is no bound. ``one`` is what one of it is called (`coin` of `coins`).
    ``overdraw`` says what becomes of what is taken back and was spent.
    """

    title: StrictStr = ""
    one: Annotated[StrictStr, Field(max_length=64)] = ""
    spendable: StrictBool = True
    decimals: Annotated[StrictInt, Field(ge=0, le=DECIMALS_MAX)] = 0
    expires_after: Expiry = None
    worth: StrictStr = ""
    adjust_max: Annotated[Number | None, PlainValidator(_bound)] = None
    notice: Annotated[int | None, PlainValidator(grammar.duration)] = None
    overdraw: Literal["owe", "forgive"] = "owe"

    @property
    def in_debt(self) -> Literal["owe", "forgive"]:
        """``overdraw`` as it holds: what is never spent never owes."""
        return self.overdraw if self.spendable else "forgive"


class Level(Model):
    """A name for a lifetime total, which begins at ``from_`` whole units or parts of them; worked out, never stored.

    ``perk``, ``colour`` and ``description`` are shown.
    """

    name: Text
    currency: Name
    from_: Total = Field(alias="from")
    perk: StrictStr = ""
    colour: StrictStr = ""
    description: StrictStr = ""
