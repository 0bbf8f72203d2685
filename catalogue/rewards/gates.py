"""What a learner has, and what of a gate that leaves open. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from catalogue.rewards.model import Gate
from wire.money.terms import BADGE_PREFIX, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A learner's wallets: what is there and what was ever earned, by currency; and the campus's levels."""

    balances: Mapping[str, int]
    earned: Mapping[str, int]
    levels: tuple[Level, ...] = ()

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
            needed.append(f"{short} more {currency} earned")
    return needed
