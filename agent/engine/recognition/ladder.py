"""How far a learner has climbed: levels and tiers reached, and what the next one needs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.config.rulefile.tables.badge import Tier
from agent.config.rulefile.tables.currency import Level
from agent.engine.recognition.compiled import Words
from agent.engine.recognition.model import Criterion, Progress, Standing, judge, names_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A level or tier as one learner meets it. ``visible`` is whether it is to be shown to them."""

    name: str
    currency: str
    reached: bool
    visible: bool
    progress: Progress
    perk: str
    colour: str
    description: str


def looked_at(words: Words, levels: Iterable[Level], tiers: Iterable[Tier]) -> frozenset[str]:
    """The names of a learner's standing that levels and tiers look at."""
    criteria: list[Criterion] = [words.level(level) for level in levels]
    criteria += [words.tier(tier) for tier in tiers]
    return frozenset(name for criterion in criteria for name in names_of(criterion))


def levels_of(words: Words, levels: Iterable[Level], standing: Standing) -> tuple[Rung, ...]:
    """Every level, by currency and from the lowest up."""
    listed = sorted(levels, key=lambda level: (level.currency, level.from_))
    return tuple(
        _rung(level.name, level, judge(words.level(level), standing), visible=True, currency=level.currency)
        for level in listed
    )


def tiers_of(words: Words, tiers: Iterable[Tier], standing: Standing) -> tuple[Rung, ...]:
    """Every tier, from the lowest up (as written where two begin at the same total)."""
    found: list[Rung] = []
    before = True
    for tier in sorted(tiers, key=lambda tier: (tier.currency, tier.from_)):
        progress = judge(words.tier(tier), standing)
        shown = tier.visible == "always" or progress.met or (tier.visible == "next" and before)
        found.append(_rung(tier.name, tier, progress, visible=shown, currency=tier.currency))
        before = progress.met
    return tuple(found)


def highest(rungs: Sequence[Rung], currency: str | None = None) -> Rung | None:
    """The highest that is reached (of one currency where it is given)."""
    return next((rung for rung in reversed(rungs) if rung.reached and currency in {None, rung.currency}), None)


def following(rungs: Sequence[Rung], currency: str | None = None) -> Rung | None:
    """The lowest that is not reached, above the highest that is."""
    mine = [rung for rung in rungs if currency in {None, rung.currency}]
    top = highest(mine)
    above = mine[mine.index(top) + 1 :] if top is not None else mine
    return next((rung for rung in above if not rung.reached), None)


def _rung(name: str, spec: Level | Tier, progress: Progress, *, visible: bool, currency: str) -> Rung:
    return Rung(
        name=name,
        currency=currency,
        reached=progress.met,
        visible=visible,
        progress=progress,
        perk=spec.perk,
        colour=spec.colour,
        description=spec.description,
    )
