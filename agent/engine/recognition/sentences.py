"""Badges and tiers in plain sentences, for `rules explain`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from agent.config.grammar import shown_number
from agent.config.rulefile.tables.badge import Badge, Tier
from agent.config.rulefile.tables.currency import Level
from agent.engine.recognition.compiled import Words
from agent.engine.recognition.model import told
from agent.engine.words import name


def of_book(
    badges: Iterable[Badge], tiers: Iterable[Tier], levels: Iterable[Level], words: Words
) -> dict[str, tuple[str, ...]]:
    """Every badge that says more than its id, every level and every tier, by what it is called."""
    said = {f"badge {one.id}": badge_sentences(one, words) for one in badges if len(one.model_fields_set) > 1}
    said |= {f"level {one.name}": level_sentences(one, words) for one in levels}
    return said | {f"tier {one.name}": (tier_sentence(one, words),) for one in tiers}


def badge_sentences(badge: Badge, words: Words) -> tuple[str, ...]:
    """What a badge stands for and what brings and takes it."""
    wanted = badge.wanted()
    said = [f"{badge.title}{f': {badge.description}' if badge.description else ''}."]
    if wanted is not None:
        said.append(f"Earned by {told(words.criterion(wanted))}.")
        said.append("Kept once it is earned." if badge.sticky else "Taken back when that is no longer true.")
    begin, end = badge.effective
    if begin or end:
        said.append(f"By acts{f' from {begin}' if begin else ''}{f' until {end}' if end else ''}.")
    if badge.assign.by is not None:
        said.append(f"Given by hand by {', '.join(badge.assign.by)}.")
    if badge.assign.to is not None:
        said.append(f"Given by hand only to {', '.join(badge.assign.to)}.")
    said.extend(f"By one giver at most {limit.text}." for limit in badge.assign.limit)
    said.extend(f"By all givers at most {limit.text}." for limit in badge.assign.total)
    if badge.mode == "off":
        said.append("Not earned any more.")
    return tuple(said)


def level_sentences(level: Level, words: Words) -> tuple[str, ...]:
    """What a level is reached with, and what it stands for."""
    units = int(level.from_ * words.unit(level.currency))
    said = [f"Reached with {shown_number(level.from_)} {name(level.currency, units, words.currencies)} earned in all."]
    said.extend([f"Brings: {level.perk}."] if level.perk else [])
    return (*said, *([level.description] if level.description else []))


def tier_sentence(tier: Tier, words: Words) -> str:
    """What opens a tier."""
    gates = words.gates(tier)
    return f"Tier {tier.name}: {' and '.join(told(gate) for gate in gates) or 'for everybody'}."
