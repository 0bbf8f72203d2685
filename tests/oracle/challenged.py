"""A plain reading of challenges: which rounds are complete by all that somebody did, in the order of its times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tests.oracle.days import Days, duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """So many acts of a kind about different things; ``least`` is the score that each needs."""

    kind: str
    count: int
    per: str
    least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quest:
    """A challenge. ``deadline`` is a duration or a last day, ``repeat`` nothing, ``anew`` or a window's name."""

    name: str
    steps: Sequence[Step]
    strict: bool
    by_hand: bool
    deadline: str
    repeat: str
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What somebody did, or ``enrolled`` and ``withdrawn`` of a challenge; no two at one time."""

    at: int
    who: str
    kind: str
    things: Mapping[str, str]
    score: int = 0
    quest: str = ""


def rounds(quest: Quest, deeds: Sequence[Deed], enrolled: Sequence[int], days: Days) -> list[int]:
    """When each round was complete; ``enrolled`` are further times at which another challenge enrolled."""
    deeds = sorted(deeds, key=lambda deed: deed.at)
    found: list[int] = []
    used: set[object] = set()
    for begin, end in _spans(quest, deeds, enrolled):
        mine = [deed for deed in deeds if begin <= deed.at < end and _in_time(quest, deed, days)]
        for window, part in _parts(quest, mine, days).items():
            if window not in used or quest.repeat == "anew":
                more = _of_a_part(quest, [deed for deed in part if not found or deed.at > found[-1]])
                used |= {window} if more else set()
                found += more
    return sorted(found) if quest.repeat else sorted(found)[:1]


def _spans(quest: Quest, deeds: Sequence[Deed], enrolled: Sequence[int]) -> list[tuple[int, int]]:
    """From when until before when somebody takes part."""
    if not quest.by_hand:
        return [(0, 2**40)]
    marks = [deed for deed in deeds if deed.quest == quest.name]
    begins = sorted({*enrolled, *(mark.at for mark in marks if mark.kind == "enrolled")})
    gone = [mark.at for mark in marks if mark.kind == "withdrawn"]
    within = duration(quest.deadline) if quest.deadline.endswith("d") else 2**40
    ends = [min([begin + within, *(at for at in gone if at >= begin)]) for begin in begins]
    return list(zip(begins, ends, strict=True))


def _in_time(quest: Quest, deed: Deed, days: Days) -> bool:
    """Before a deadline that is a day is over."""
    if not quest.deadline or quest.deadline.endswith("d"):
        return True
    return days.day(deed.at) <= date.fromisoformat(quest.deadline)


def _parts(quest: Quest, deeds: Sequence[Deed], days: Days) -> dict[object, list[Deed]]:
    """What may make one round each, where there is one in each week or month; else all of it."""
    if quest.repeat in {"", "anew"}:
        return {"ever": list(deeds)}
    found: dict[object, list[Deed]] = {}
    for deed in deeds:
        window = days.window(quest.repeat, deed.at)
        if window is not None:
            found.setdefault(window, []).append(deed)
    return found


def _of_a_part(quest: Quest, deeds: Sequence[Deed]) -> list[int]:
    """The rounds of these deeds, each as early as it can be."""
    found: list[int] = []
    since = 0
    for number, deed in enumerate(deeds):
        begins = range(since, number + 1)
        if any(_complete(quest, deeds[begin : number + 1]) for begin in begins):
            found.append(deed.at)
            since = number + 1
            if quest.repeat != "anew":
                break
    return found


def _complete(quest: Quest, deeds: Sequence[Deed]) -> bool:
    """Whether these complete every step, within the time that there is from the first of them."""
    timed = quest.deadline.endswith("d") and not quest.by_hand
    if timed and deeds[-1].at - deeds[0].at >= duration(quest.deadline):
        return False
    if not quest.strict:
        return all(len(_things(step, deeds)) >= step.count for step in quest.steps)
    left = list(deeds)
    for step in quest.steps:
        ends = [number for number in range(1, len(left) + 1) if len(_things(step, left[:number])) >= step.count]
        if not ends:
            return False
        left = left[ends[0] :]
    return True


def _things(step: Step, deeds: Sequence[Deed]) -> set[str]:
    return {deed.things[step.per] for deed in deeds if deed.kind == step.kind and deed.score >= step.least}
