"""What badges, tiers and rules ask of a learner's standing: as it is written, and plainly judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Standing = Mapping[str, int]
"""What somebody has, by name: awards of `rule r0` that stand, `points now` and `ever`, `badge b0`, `programme p`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One criterion. ``asked`` is its key; ``names`` are what it counts, ``parts`` what a list asks for."""

    asked: str
    name: str = ""
    names: Sequence[str] = ()
    at_least: int = 1
    distinct: bool = False
    current: bool = False
    parts: Sequence[Wish] = ()

    def holds(self, has: Standing) -> bool:
        """Whether somebody of this standing has it."""
        if self.parts:
            return sum(part.holds(has) for part in self.parts) >= self.at_least
        numbers = [has.get(name, 0) for name in self.names]
        return (sum(number > 0 for number in numbers) if self.distinct else sum(numbers)) >= self.at_least

    def looks_at(self) -> set[str]:
        """The names that matter to it."""
        return {*self.names, *(name for part in self.parts for name in part.looks_at())}

    @property
    def table(self) -> str:
        """As it stands in a list."""
        return f"{{ {self.text} }}"

    @property
    def text(self) -> str:
        """As it stands in a table."""
        match self.asked:
            case "all_of":
                return f"all_of = [{', '.join(part.table for part in self.parts)}]"
            case "any_of":
                listed = ", ".join(part.table for part in self.parts)
                return f"any_of = [{listed}]" + (f", at_least = {self.at_least}" if self.at_least > 1 else "")
            case "tags":
                return f"tags = {{ distinct = {[part.name for part in self.parts]} }}"
            case "balance":
                of = "current" if self.current else "lifetime"
                return f'balance = {{ currency = "{self.name}", at_least = {self.at_least}, of = "{of}" }}'
            case "badge" | "level" | "tier" | "programme":
                return f'{self.asked} = "{self.name}"'
        more = ", distinct = true" if self.distinct else ""
        return f'{self.asked} = "{self.name}", at_least = {self.at_least}{more}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A badge that follows from what was earned; one of which nothing is wished is given by rules or people."""

    name: str
    wish: Wish | None
    sticky: bool

    @property
    def text(self) -> str:
        """As it is written."""
        text = f'[[badge]]\nid = "{self.name}"\nassign = {{ by = ["d"] }}\n'
        if self.wish is None:
            return text
        listed = self.wish.asked in {"rule", "group", "tag", "badge", "tier"} or self.wish.at_least > 1
        alone = not listed or self.wish.asked in {"all_of", "tags", "balance"}
        written = self.wish.text if alone else f"all_of = [{self.wish.table}]"
        return f"{text}sticky = {'true' if self.sticky else 'false'}\n{written}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A tier with its gates; ``currency`` and ``least`` are the total it asks for."""

    name: str
    least: int
    current: bool
    requires: Wish | None
    visible: str

    @property
    def wish(self) -> Wish:
        """Every gate, as a criterion that asks for the tier."""
        total = Wish(asked="", names=[f"points {'now' if self.current else 'ever'}"], at_least=self.least)
        gates = [wish for wish in (total if self.least else None, self.requires) if wish is not None]
        return Wish(asked="tier", name=self.name, parts=gates, at_least=len(gates))

    @property
    def text(self) -> str:
        """As it is written."""
        text = f'[[tier]]\nname = "{self.name}"\nfrom = {self.least}\nvisible = "{self.visible}"\n'
        text += 'of = "current"\n' if self.current else ""
        return text + (f"requires = {{ all_of = [{self.requires.table}] }}\n" if self.requires is not None else "")


def shelf(tiers: Sequence[Tier], has: Standing) -> dict[str, tuple[bool, bool]]:
    """By tier, from the lowest up: whether it is reached, and whether it is shown."""
    found: dict[str, tuple[bool, bool]] = {}
    before = True
    for tier in sorted(tiers, key=lambda tier: tier.least):
        reached = tier.wish.holds(has)
        shown = reached or tier.visible == "always" or (tier.visible == "next" and before)
        found[tier.name] = (reached, shown)
        before = reached
    return found
