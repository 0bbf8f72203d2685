"""What an award can be: a number, a table of currencies, or a list of those with their recipients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from agent.config import grammar
from agent.config.document import MisfitError
from agent.config.grammar import Number
from agent.config.rulefile import later
from agent.model import ROLES, Role

AMOUNT_MAX = 10**12
_HINT = 'write award = 10, award = { points = 10 } or award = [{ to = "referrer", points = 50 }]'


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardPart:
    """What one recipient gets: ``amounts`` per currency in written order; ``to`` None is the rule's recipient.

    ``at`` leads from the award to the table the currencies stand in, for faults found later.
    """

    to: Role | None
    amounts: tuple[tuple[str, Number], ...]
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
        raise MisfitError(f"{to!r} is not a recipient", f"one of {', '.join(ROLES)}", at=(number, "to"))
    rest = {key: amount for key, amount in value.items() if key != "to"}
    return AwardPart(to=cast("Role | None", to), amounts=_amounts(rest, (number,)), at=(number,))


def _amounts(value: Mapping[str, Any], at: tuple[int, ...]) -> tuple[tuple[str, Number], ...]:
    if not value:
        raise MisfitError("an award without a currency", _HINT, at=at)
    return tuple((grammar.name(currency), _amount(amount, (*at, currency))) for currency, amount in value.items())


def _amount(value: Any, at: tuple[str | int, ...]) -> Number:
    if isinstance(value, Mapping):
        for key in value:
            if key in later.IN_AN_AWARD:
                raise MisfitError(str(later.not_yet(key)), later.not_yet(key).hint, at=(*at, key))
    amount = grammar.toml_number(value)
    if amount is None:
        raise MisfitError(f"{value!r} is not an amount", _HINT, at=at)
    if amount < 0:
        raise MisfitError("an award cannot be negative", "an award is taken back by reversing it", at=at)
    if amount > AMOUNT_MAX:
        raise MisfitError(f"an award of more than {AMOUNT_MAX}", "check the number of zeros", at=at)
    return amount
