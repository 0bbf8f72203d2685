"""What waits for a person: each award of a rule (`review`), and what is far more than usual (`[safety]`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field, PlainValidator, StrictInt, model_validator

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.grammar import Number
from agent.config.rulefile.types import Model, Span

_HINT = '"always", or { when = "always", adjust = "30..60" }'
_RANGE_HINT = 'from the least to the most: "30..60"; for several currencies { points = "30..60" }'


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Each award waits. ``adjust`` gives, by currency (empty: whichever it is), the least and the most to approve."""

    adjust: Mapping[str, tuple[Number, Number]]

    def guardrails(self, currency: str) -> tuple[Number, Number] | None:
        """The least and the most of a currency; None where none are written."""
        return self.adjust.get(currency, self.adjust.get(""))


def reviewed(value: Any) -> Review:
    """What a rule says about review.

    Raises:
        MisfitError: it is neither form, or a range is empty or reaches below what can be paid.
    """
    if value == "always":
        return Review(adjust={})
    if not isinstance(value, Mapping) or value.get("when", "always") != "always" or set(value) - {"when", "adjust"}:
        raise MisfitError(f"{quoted(value)} is no review", _HINT)
    adjust = value.get("adjust", {})
    if isinstance(adjust, Mapping):
        return Review(adjust={str(name): _range(written) for name, written in adjust.items()})
    return Review(adjust={"": _range(adjust)})


def _range(written: Any) -> tuple[Number, Number]:
    low, dots, high = written.partition("..") if isinstance(written, str) else ("", "", "")
    if not dots or not grammar.is_number(low.strip()) or not grammar.is_number(high.strip()):
        raise MisfitError(f"{quoted(written)} is no range of amounts", _RANGE_HINT)
    ends = grammar.number(low.strip()), grammar.number(high.strip())
    if not 0 < Fraction(ends[0]) <= Fraction(ends[1]):
        raise MisfitError(f"{quoted(written)} is an empty range, or begins at nothing", "reject what shall pay nothing")
    return ends


_OVER = re.compile(r"\s*(\d{1,6}(?:\.\d{1,3})?) *x usual\s*")


def times_usual(value: Any) -> Number:
    """`10x usual`: how many times the usual."""
    found = _OVER.fullmatch(value) if isinstance(value, str) else None
    if found is None or Fraction(found[1]) <= 1:
        raise MisfitError(f"{quoted(value)} is no measure of what is too much", 'write "10x usual", more than once')
    return grammar.number(found[1])


def floors(value: Any) -> dict[str, Number]:
    """`{ points = 500 }`: what may be issued on any day, by currency."""
    found = (
        {str(name): grammar.toml_number(amount) for name, amount in value.items()} if isinstance(value, dict) else {}
    )
    if not found or any(amount is None or amount <= 0 for amount in found.values()):
        raise MisfitError(f"{quoted(value)} is no floor", "write { points = 500 }, amounts above 0")
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


class Reviewing(Model):
    """How long a held decision may wait (``remind_after``) before somebody is reminded of it."""

    remind_after: Span
