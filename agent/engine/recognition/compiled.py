"""From `[[badge]]`, `[[level]]`, `[[tier]]` and `requires` to criteria over a learner's standing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil
from typing import ClassVar

from agent.config.grammar import Number
from agent.config.rulefile import Challenge, Rule, RuleFile
from agent.config.rulefile.tables.badge import Badge, Tier
from agent.config.rulefile.tables.criteria import Of, Wish
from agent.config.rulefile.tables.currency import Level
from agent.engine import words
from agent.engine.calendar import Calendar
from agent.engine.recognition.model import (
    BADGE,
    BALANCE,
    LIFETIME,
    RULE,
    CompiledBadge,
    Criterion,
    Measure,
    Recognition,
    Several,
    names_of,
)

PROGRAMME = "programme:"
"""How the rules begin that remember who completed a programme that a criterion names."""


class Words:
    """The names of one rules file, and what criteria that speak of them look at."""

    def __init__(self, file: RuleFile) -> None:
        self._rules: list[Rule | Challenge] = [
            *(placed.it for placed in file.rules),
            *(placed.it for placed in file.challenges),
        ]
        self._badges = {placed.it.id: placed.it for placed in file.badges}
        self._levels = {level.name: level for level in file.levels}
        self._tiers = {placed.it.name: placed.it for placed in file.tiers}
        self.currencies = file.currencies

    def unit(self, currency: str) -> int:
        """How many smallest units make one."""
        terms = self.currencies.get(currency)
        return 10**terms.decimals if terms is not None else 1

    def criterion(self, wish: Wish) -> Criterion:
        """A wish over a learner's standing."""
        if wish.asked in {"all", "any"}:
            parts = tuple(self.criterion(part) for part in wish.parts)
            needed = len(parts) if wish.asked == "all" else int(wish.at_least)
            return parts[0] if len(parts) == 1 else Several(parts=parts, needed=needed)
        asked = wish.asked
        if asked == "named":
            asked = "rule" if any(rule.id == wish.name for rule in self._rules) else "badge"
        return self._READ[asked](self, wish)

    def level(self, level: Level) -> Criterion:
        """That a level is reached: the most that was ever earned is enough."""
        return self._total(level.currency, level.from_, "lifetime", f" for level {level.name}")

    def tier(self, tier: Tier) -> Criterion:
        """That every gate of a tier is open."""
        gates = self.gates(tier)
        return Several(parts=gates, needed=len(gates), told=f"tier {tier.name}")

    def gates(self, tier: Tier) -> tuple[Criterion, ...]:
        """Each gate of a tier."""
        gates = [self._total(tier.currency, tier.from_, tier.of)] if tier.from_ else []
        gates += [self.criterion(tier.requires)] if tier.requires is not None else []
        return tuple(gates)

    def _badge(self, wish: Wish) -> Criterion:
        badge = self._badges.get(wish.name)
        shown = badge.name or badge.id if badge is not None else wish.name
        return Measure(names=(f"{BADGE}{wish.name}",), needed=1, told=f"the badge {shown}")

    def _programme(self, wish: Wish) -> Criterion:
        return Measure(names=(f"{RULE}{PROGRAMME}{wish.name}",), needed=1, told=f"the programme {wish.name}")

    def _balance(self, wish: Wish) -> Criterion:
        return self._total(wish.name, wish.at_least, wish.of)

    def _rule(self, wish: Wish) -> Criterion:
        return _awards(wish, (wish.name,), f"of {wish.name}")

    def _group(self, wish: Wish) -> Criterion:
        rules = tuple(rule.id for rule in self._rules if rule.group == wish.name)
        return _awards(wish, rules, f"of group {wish.name}")

    def _tag(self, wish: Wish) -> Criterion:
        rules = tuple(rule.id for rule in self._rules if wish.name in rule.tags)
        return _awards(wish, rules, f"of tag {wish.name}")

    _READ: ClassVar[Mapping[str, Callable[[Words, Wish], Criterion]]] = {
        "rule": _rule,
        "badge": _badge,
        "group": _group,
        "tag": _tag,
        "balance": _balance,
        "programme": _programme,
        "level": lambda self, wish: self.level(self._levels[wish.name]),
        "tier": lambda self, wish: self.tier(self._tiers[wish.name]),
    }

    def _total(self, currency: str, amount: Number, of: Of, why: str = "") -> Criterion:
        unit = self.unit(currency)
        begin, said = (LIFETIME, "earned in all") if of == "lifetime" else (BALANCE, "now")
        needed = ceil(Fraction(amount) * unit)
        told = f"{words.name(currency, needed, self.currencies)} {said}{why}"
        return Measure(names=(f"{begin}{currency}",), needed=needed, told=told, unit=unit, amount=True)


def _awards(wish: Wish, rules: tuple[str, ...], of: str) -> Criterion:
    needed = int(wish.at_least)
    noun = "different rules" if wish.distinct else "awards"
    shown = f"an award {of}" if needed == 1 else f"{noun} {of}"
    return Measure(names=tuple(f"{RULE}{rule}" for rule in rules), needed=needed, told=shown, distinct=wish.distinct)


def declared(file: RuleFile) -> Mapping[str, Badge]:
    """Every badge by its id; one that rules name and nobody declares has only that."""
    rules: list[Rule | Challenge] = [*(placed.it for placed in file.rules), *(placed.it for placed in file.challenges)]
    names = [rule.badge for rule in rules] + [badge for placed in file.scheduled for badge in placed.it.badges]
    named = {name: Badge(id=name) for name in names if name is not None}
    return named | {placed.it.id: placed.it for placed in file.badges}


def recognition(file: RuleFile, calendar: Calendar) -> Recognition | None:
    """What follows from what is earned; None where nothing does, so that nothing is paid for it."""
    words = Words(file)
    badges = tuple(
        compiled
        for placed in file.badges
        if placed.it.mode == "live" and (compiled := _badge(placed.it, words, calendar)) is not None
    )
    required = {
        placed.it.id: words.criterion(placed.it.requires) for placed in file.rules if placed.it.requires is not None
    }
    if not badges and not required:
        return None
    looking: dict[str, tuple[CompiledBadge, ...]] = {}
    for badge in badges:
        for name in dict.fromkeys(names_of(badge.criterion)):
            looking[name] = (*looking.get(name, ()), badge)
    every = {name for criterion in required.values() for name in names_of(criterion)}
    return Recognition(
        version=file.version,
        badges=badges,
        required=required,
        names=frozenset(every | looking.keys() | {badge.account for badge in badges}),
        looking_at=looking,
        revocable=frozenset(badge.id for badge in badges if not badge.sticky),
    )


def _badge(badge: Badge, words: Words, calendar: Calendar) -> CompiledBadge | None:
    wanted = badge.wanted()
    if wanted is None:
        return None
    begin, end = badge.effective
    shown: Mapping[str, str] = {
        "{badge}": badge.title,
        "{name}": badge.name or badge.id,
        "{emoji}": badge.emoji,
        "{description}": badge.description,
    }
    message = badge.message
    for placeholder, text in shown.items():
        message = message.replace(placeholder, text)
    return CompiledBadge(
        id=badge.id,
        criterion=words.criterion(wanted),
        sticky=badge.sticky,
        message=message,
        since=calendar.starts(begin) if begin is not None else None,
        until=calendar.over(end) if end is not None else None,
    )
