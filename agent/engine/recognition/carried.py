"""What of a tier can be judged from wallets alone, for the catalogue that gates rewards by it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from agent.config.rulefile.tables.badge import Tier
from agent.engine.recognition.compiled import Words
from agent.engine.recognition.model import BADGE, BALANCE, LIFETIME, Criterion, Measure, Several
from wire.canonical import NAME_CHARS_MAX
from wire.money import tiers as said


def carried(words: Words, tiers: Iterable[Tier]) -> list[said.Tier]:
    """Every tier as it is said; what is more than can be said is left to the campus."""
    found = []
    for tier in tiers:
        one = _carried(tier.name, words.tier(tier))
        whole = one if said.fits(one) else said.Tier(name=one.name, on_campus=("what its rules ask",))
        found += [whole] if said.fits(whole) else []
    return found


def _carried(name: str, criterion: Criterion) -> said.Tier:
    lifetime: dict[str, int] = {}
    current: dict[str, int] = {}
    badges: list[str] = []
    any_of: tuple[str, ...] = ()
    any_count, on_campus = 1, []
    for part in _all_of(criterion):
        single = _single(part)
        choice = _choice(part)
        if single.startswith(LIFETIME) and isinstance(part, Measure):
            key = single.removeprefix(LIFETIME)
            lifetime[key] = max(lifetime.get(key, 0), part.needed)
        elif single.startswith(BALANCE) and isinstance(part, Measure):
            key = single.removeprefix(BALANCE)
            current[key] = max(current.get(key, 0), part.needed)
        elif single.startswith(BADGE):
            badges.append(single.removeprefix(BADGE))
        elif choice and not any_of and isinstance(part, Several):
            any_of, any_count = choice, part.needed
        else:
            on_campus.append((part.told or "one of several things")[:NAME_CHARS_MAX])
    return said.Tier(
        name=name,
        lifetime={key: needed for key, needed in lifetime.items() if needed > 0},
        current={key: needed for key, needed in current.items() if needed > 0},
        badges=tuple(dict.fromkeys(badges)),
        any_of=any_of,
        any_count=any_count,
        on_campus=tuple(dict.fromkeys(on_campus)),
    )


def _all_of(criterion: Criterion) -> list[Criterion]:
    """What must hold, each for itself."""
    if isinstance(criterion, Several) and criterion.needed >= len(criterion.parts):
        return [leaf for part in criterion.parts for leaf in _all_of(part)]
    return [criterion]


def _single(criterion: Criterion) -> str:
    """The one number that is looked at, or nothing. A badge is there or not."""
    if not isinstance(criterion, Measure) or len(criterion.names) != 1:
        return ""
    (name,) = criterion.names
    return "" if name.startswith(BADGE) and criterion.needed != 1 else name


def _choice(criterion: Criterion) -> tuple[str, ...]:
    """The badges of which some are needed, or nothing."""
    if not isinstance(criterion, Several) or criterion.needed < 1:
        return ()
    names = [_single(part) for part in criterion.parts]
    chosen = tuple(dict.fromkeys(name.removeprefix(BADGE) for name in names if name.startswith(BADGE)))
    return chosen if len(chosen) == len(names) else ()
