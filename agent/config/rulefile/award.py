"""What an award can be: a number, a table of currencies, or a list of those with their recipients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.grammar import Number, shown_number
from agent.model import ROLES, Role

AMOUNT_MAX = 10**12
_HINT = 'write award = 10, award = { points = 10 } or award = [{ to = "referrer", points = 50 }]'


Rounding = Literal["down", "up", "half"]
"""To the smallest unit of the currency; `half` rounds halves up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """An amount that is worked out from facts of the event: each fact of ``terms`` times its number, added up.

    It is rounded to the currency's smallest unit, and is never more than ``maximum`` (None: no such bound).
    """

    terms: tuple[tuple[str, Number], ...]
    rounding: Rounding = "down"
    maximum: Number | None = None

    def told(self, currency: str, one: str = "") -> str:
        """As a person says it: `0.1 points for each score_pct, rounded down, at most 10`; ``one`` is what one is."""
        terms = " and ".join(
            f"{shown_number(times)} {one or currency if times == 1 else currency} for each {fact}"
            for fact, times in self.terms
        )
        most = "" if self.maximum is None else f", at most {shown_number(self.maximum)}"
        exact = self.rounding == "down" and all(isinstance(times, int) for _, times in self.terms)
        return f"{terms}{'' if exact else f', rounded {self.rounding}'}{most}"


Amount = Number | Computed


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardPart:
    """What one recipient gets: ``amounts`` per currency in written order; ``to`` None is the rule's recipient.

    ``at`` leads from the award to the table the currencies stand in, for faults found later.
    """

    to: Role | None
    amounts: tuple[tuple[str, Amount], ...]
    at: tuple[int, ...] = ()


def award_parts(value: Any) -> tuple[AwardPart, ...]:
    """The parts of an award, in written order.

    Raises:
        MisfitError: not an award, an amount that is negative or over 10**12, a recipient twice.
    """
    if isinstance(value, Mapping):
        return (AwardPart(to=None, amounts=_amounts(value, ())),)
    if not isinstance(value, list):
        return (AwardPart(to=None, amounts=(("points", _amount(value, ())),)),)
    if not value:
        raise MisfitError("an empty list awards nothing to nobody", _HINT)
    parts = tuple(_part(each, number) for number, each in enumerate(value))
    for number, part in enumerate(parts):
        if part.to in {earlier.to for earlier in parts[:number]}:
            raise MisfitError("this recipient is named twice", "put its currencies together", at=(number,))
    return parts


def _part(value: Any, number: int) -> AwardPart:
    if not isinstance(value, Mapping):
        raise MisfitError("a list of awards holds tables", _HINT, at=(number,))
    to = value.get("to")
    if to is not None and to not in ROLES:
        raise MisfitError(f"{quoted(to)} is not a recipient", f"one of {', '.join(ROLES)}", at=(number, "to"))
    rest = {key: amount for key, amount in value.items() if key != "to"}
    return AwardPart(to=cast("Role | None", to), amounts=_amounts(rest, (number,)), at=(number,))


def _amounts(value: Mapping[str, Any], at: tuple[int, ...]) -> tuple[tuple[str, Amount], ...]:
    if not value:
        raise MisfitError("an award without a currency", _HINT, at=at)
    return tuple((grammar.name(currency), _amount(amount, (*at, currency))) for currency, amount in value.items())


def _amount(value: Any, at: tuple[str | int, ...]) -> Amount:
    if isinstance(value, Mapping):
        return _computed(value, at)
    amount = grammar.toml_number(value)
    if amount is None and at[-1:] == ("badge",):
        raise MisfitError("a badge is no amount", f"give it beside the award: badge = {_as_text(value)}", at=at)
    if amount is None:
        raise MisfitError(f"{quoted(value)} is not an amount", _HINT, at=at)
    if amount < 0:
        raise MisfitError("an award cannot be negative", "an award is taken back by reversing it", at=at)
    if amount > AMOUNT_MAX:
        raise MisfitError(f"an award of more than {AMOUNT_MAX}", "check the number of zeros", at=at)
    return amount


def _as_text(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else '"quiz-ace"'


_COMPUTED_HINT = '{ per = { peers = 2 } }, or { of = "score_pct", times = "0.1", round = "down", max = 10 }'


def _computed(value: Mapping[str, Any], at: tuple[str | int, ...]) -> Computed:
    """Quantity × units, or a share of a fact."""
    known = {"per", "round", "max"} if "per" in value else {"of", "times", "round", "max"}
    for key in value:
        if key not in known:
            raise MisfitError(f"unknown key {quoted(key)} in an amount", _COMPUTED_HINT, at=(*at, key))
    rounding = value.get("round", "down")
    if rounding not in get_args(Rounding):
        raise MisfitError(f"{quoted(rounding)} is no way to round", "one of down, up, half", at=(*at, "round"))
    maximum = _times(value["max"], (*at, "max")) if "max" in value else None
    if maximum is not None and maximum > AMOUNT_MAX:
        raise MisfitError(f"an award of more than {AMOUNT_MAX}", "check the number of zeros", at=(*at, "max"))
    return Computed(terms=_terms(value, at), rounding=cast("Rounding", rounding), maximum=maximum)


def _terms(value: Mapping[str, Any], at: tuple[str | int, ...]) -> tuple[tuple[str, Number], ...]:
    if "per" in value:
        per = value["per"]
        if not isinstance(per, Mapping) or not per:
            raise MisfitError("`per` is a table of facts", "such as { peers = 2, students = 1 }", at=(*at, "per"))
        return tuple((fact, _times(times, (*at, "per", fact))) for fact, times in per.items())
    fact = value.get("of")
    if not isinstance(fact, str) or not fact:
        raise MisfitError("an amount that is a table needs `per` or `of`", _COMPUTED_HINT, at=at)
    return ((fact, _times(value.get("times", 1), (*at, "times"))),)


def _times(value: Any, at: tuple[str | int, ...]) -> Number:
    try:
        found = grammar.number(value) if isinstance(value, str) else grammar.toml_number(value)
    except MisfitError as error:
        raise MisfitError(error.message, error.hint, at=at) from None
    if found is None or found <= 0:
        raise MisfitError(f"{quoted(value)} is not a number above 0", 'such as 2 or "0.1"', at=at)
    return found
