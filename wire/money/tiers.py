"""Tiers as a campus's rules have them, for whoever sells rewards: what can be judged from wallets, and what cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wire import canonical
from wire.canonical import MalformedError

TIERS_MAX = 50
PARTS_MAX = 50
"""Most badges, totals or sentences of one kind in a tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What a learner must have for a tier, in smallest units: all of it, and of ``any_of`` at least ``any_count``.

    ``lifetime`` is what was ever earned by currency, ``current`` what is there now. ``on_campus`` says in words what
    only the campus can judge (how often a rule paid, for example): whoever has wallets alone lets nobody past it.
    """

    name: str
    lifetime: Mapping[str, int] = field(default_factory=dict)
    current: Mapping[str, int] = field(default_factory=dict)
    badges: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    any_count: int = 1
    on_campus: tuple[str, ...] = ()


def encode(tier: Tier) -> dict[str, Any]:
    """What goes into a header."""
    return {
        "name": tier.name,
        "lifetime": dict(tier.lifetime),
        "current": dict(tier.current),
        "badges": list(tier.badges),
        "any_of": list(tier.any_of),
        "any_count": tier.any_count,
        "on_campus": list(tier.on_campus),
    }


def parse(fields: Any) -> Tier:
    """Read one.

    Raises:
        MalformedError: it is not of this form, or too much.
    """
    if not isinstance(fields, dict):
        raise MalformedError("a tier must be an object")
    any_of = _names(fields, "any_of")
    any_count = canonical.whole(fields, "any_count", least=1)
    if any_of and any_count > len(set(any_of)):
        raise MalformedError("field 'any_count' is more than there are in 'any_of'")
    return Tier(
        name=canonical.text(fields, "name"),
        lifetime=_totals(fields, "lifetime"),
        current=_totals(fields, "current"),
        badges=_names(fields, "badges"),
        any_of=any_of,
        any_count=any_count,
        on_campus=_names(fields, "on_campus"),
    )


def fits(tier: Tier) -> bool:
    """Whether a tier can be said at all."""
    try:
        return parse(encode(tier)) == tier
    except MalformedError:
        return False


def _names(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = fields.get(name)
    if not isinstance(value, list) or len(value) > PARTS_MAX:
        raise MalformedError(f"field {name!r} must be a list of at most {PARTS_MAX}")
    return tuple(canonical.text({name: one}, name) for one in value)


def _totals(fields: Mapping[str, Any], name: str) -> dict[str, int]:
    value = fields.get(name)
    if not isinstance(value, dict) or len(value) > PARTS_MAX:
        raise MalformedError(f"field {name!r} must be an object of at most {PARTS_MAX}")
    return {canonical.text({name: key}, name): canonical.whole(value, key, least=1) for key in value}
