"""What a learner has, and what of a gate that leaves open. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from catalogue.rewards.model import Gate, Label
from wire.money.amounts import amount, number
from wire.money.terms import BADGE_PREFIX, Level
from wire.money.tiers import Tier

_TITLE_CHARS_MAX = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A learner's wallets: what is there and what was ever earned, by currency; and the campus's levels.

    ``decimals`` are those of the campus's currencies; what is not among them has none.
    """

    balances: Mapping[str, int]
    earned: Mapping[str, int]
    levels: tuple[Level, ...] = ()
    decimals: Mapping[str, int] = field(default_factory=dict)

    def has_badge(self, name: str) -> bool:
        """Whether the badge is held: it is an account with something in it."""
        return self.balances.get(BADGE_PREFIX + name, 0) > 0

    def has_level(self, name: str) -> bool:
        """Whether the lifetime total is up to a level; one that nobody named is reached by nobody."""
        least = [level for level in self.levels if level.name == name]
        return any(self.earned.get(level.currency, 0) >= level.least for level in least)


def missing(gate: Gate, standing: Standing) -> list[str]:
    """What is still needed, a phrase for each; nothing where the gate is open."""
    needed = [f"the badge {name}" for name in gate.badges if not standing.has_badge(name)]
    held = sum(standing.has_badge(name) for name in set(gate.any_of))
    if gate.any_of and held < gate.any_count:
        needed.append(f"{gate.any_count - held} more of the badges {', '.join(gate.any_of)}")
    if gate.level and not standing.has_level(gate.level):
        needed.append(f"the level {gate.level}")
    for currency, least in sorted(gate.earned.items()):
        short = least - standing.earned.get(currency, 0)
        if short > 0:
            needed.append(f"{_more(short, currency, standing)} earned")
    return needed


def of_tier(label: Label, standing: Standing) -> list[str]:
    """What is still needed to be of a tier, likewise."""
    short = {currency: least - standing.balances.get(currency, 0) for currency, least in sorted(label.current.items())}
    needed = missing(label.gate, standing)
    needed += [f"{_more(more, currency, standing)} at once" for currency, more in short.items() if more > 0]
    return needed + [f"{what} (which only the campus can judge)" for what in label.on_campus]


def _more(units: int, currency: str, standing: Standing) -> str:
    return f"{number(units, standing.decimals.get(currency, 0))} more {currency}"


def asked_of(label: Label, decimals: Mapping[str, int]) -> list[str]:
    """What a tier asks for, a phrase for each; ``decimals`` are those of the campus's currencies."""
    gate = label.gate
    asked = [f"{amount(least, currency, decimals)} earned in all" for currency, least in sorted(gate.earned.items())]
    asked += [f"{amount(least, currency, decimals)} at once" for currency, least in sorted(label.current.items())]
    asked += [f"the badge {name}" for name in gate.badges]
    asked += [f"{gate.any_count} of the badges {', '.join(gate.any_of)}"] if gate.any_of else []
    asked += [f"the level {gate.level}"] if gate.level else []
    return asked + [f"{what} (which only the campus can judge)" for what in label.on_campus]


def told(name: str, tier: Tier) -> Label:
    """A tier of a campus's own rules under the name that rewards have for it."""
    title = tier.name[:_TITLE_CHARS_MAX]
    try:
        gate = Gate(earned=dict(tier.lifetime), badges=tier.badges, any_of=tier.any_of, any_count=tier.any_count)
        return Label(
            kind="tier", name=name, title=title, gate=gate, current=dict(tier.current), on_campus=tier.on_campus
        )
    except ValidationError:
        return Label(kind="tier", name=name, title=name, on_campus=("what its rules ask",))
