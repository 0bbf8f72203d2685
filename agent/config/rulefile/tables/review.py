"""`review = "always"`, or `{ when = "always", adjust = "30..60" }`: awards wait, within which amounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from agent.config import grammar
from agent.config.document import MisfitError
from agent.config.grammar import Number

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
        raise MisfitError(f"{value!r} is no review", _HINT)
    adjust = value.get("adjust", {})
    if isinstance(adjust, Mapping):
        return Review(adjust={str(name): _range(written) for name, written in adjust.items()})
    return Review(adjust={"": _range(adjust)})


def _range(written: Any) -> tuple[Number, Number]:
    low, dots, high = written.partition("..") if isinstance(written, str) else ("", "", "")
    if not dots or not grammar.is_number(low.strip()) or not grammar.is_number(high.strip()):
        raise MisfitError(f"{written!r} is no range of amounts", _RANGE_HINT)
    ends = grammar.number(low.strip()), grammar.number(high.strip())
    if not 0 < Fraction(ends[0]) <= Fraction(ends[1]):
        raise MisfitError(f"{written!r} is an empty range, or begins at nothing", "reject what shall pay nothing")
    return ends
