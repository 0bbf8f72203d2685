"""`[safety]`: a brake on issuing far more than is usual on a day."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field, PlainValidator, StrictInt, model_validator

from agent.config import grammar
from agent.config.document import MisfitError
from agent.config.grammar import Number
from agent.config.rulefile.types import Model

_OVER = re.compile(r"\s*(\d{1,6}(?:\.\d{1,3})?) *x usual\s*")


def times_usual(value: Any) -> Number:
    """`10x usual`: how many times the usual."""
    found = _OVER.fullmatch(value) if isinstance(value, str) else None
    if found is None or Fraction(found[1]) <= 1:
        raise MisfitError(f"{value!r} is no measure of what is too much", 'write "10x usual", more than once')
    return grammar.number(found[1])


def floors(value: Any) -> dict[str, Number]:
    """`{ points = 500 }`: what may be issued on any day, by currency."""
    found = (
        {str(name): grammar.toml_number(amount) for name, amount in value.items()} if isinstance(value, dict) else {}
    )
    if not found or any(amount is None or amount <= 0 for amount in found.values()):
        raise MisfitError(f"{value!r} is no floor", "write { points = 500 }, amounts above 0")
    return {name: amount for name, amount in found.items() if amount is not None}


class Safety(Model):
    """What goes over ``hold_over`` times the usual of a day is held, for each currency and each rule.

    The usual is the median of the days with awards among the last ``days``; it is known once there are ``at_least`` of
    them. ``floor`` may be issued on any day, and is all that may be issued until the usual is known; a currency without
    one is not held back until then.
    """

    hold_over: Annotated[Number, PlainValidator(times_usual)]
    floor: Annotated[dict[str, Number], PlainValidator(floors)] = Field(default_factory=dict)
    days: Annotated[StrictInt, Field(ge=3, le=60)] = 14
    at_least: Annotated[StrictInt, Field(ge=1, le=60)] = 5

    @model_validator(mode="after")
    def _can_be_known(self) -> Safety:
        if self.at_least > self.days:
            raise MisfitError("at_least is more than days", "the usual would never be known", at=("at_least",))
        return self
