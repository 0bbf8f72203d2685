"""A plain reading of what is decided at a time: who is in which place, who came, who stayed away."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.oracle.days import Days, duration

HOUR_S = 3600
LOOKED_BACK_H = 24 * 32
"""More than a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that somebody did, in which course, with which score, what it was paid, and whether it was undone."""

    at: int
    who: str
    kind: str
    course: str
    score: int | None
    paid: int
    group: str
    undone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A ``[[scheduled]]``. ``by`` is a measure, ``days with KIND`` as attendance where ``needs`` says how many."""

    name: str
    every: str
    over: str
    by: str = ""
    at_least: int = 0
    group: str = ""
    course: str = ""
    least_score: int | None = None
    places: Sequence[int] = ()
    ties: str = "share-place"
    needs: int = 0
    away: str = ""
    of: str = ""


def _ends(days: Days, every: str, first: int, last: int) -> list[int]:
    """The first second after each window that has settled, after 36 hours, by the last moment."""
    found = []
    for at in range(first, last, HOUR_S):
        mine = days.window(every, at)
        if mine is None or days.window(every, at + HOUR_S) == mine:
            continue
        inside, after = at, at + HOUR_S
        while after - inside > 1:
            middle = (inside + after) // 2
            inside, after = (middle, after) if days.window(every, middle) == mine else (inside, middle)
        if after + duration("36h") <= last:
            found.append(after)
    return found


def winners(run: Run, deeds: Sequence[Deed], days: Days, last: int) -> Counter[str]:
    """What each learner has of all its runs together."""
    paid: Counter[str] = Counter()
    first = min(deed.at for deed in deeds)
    for end in _ends(days, run.every, first, last):
        over = run.over or run.every
        named = _last_over(over, end, days) if over in {"day", "week", "month"} else over
        inside = [deed for deed in deeds if _inside(over, named, deed.at, end, days)]
        if run.away:
            paid.update(_away(run, [deed for deed in deeds if deed.at < end], end, days))
        elif run.needs:
            paid.update(_came(run, inside, days))
        else:
            paid.update(_placed(run, _measured(run, inside, days)))
    return paid


def _last_over(over: str, end: int, days: Days) -> object:
    """The newest day, week or month that is over at a moment."""
    now = days.window(over, end)
    before = (days.window(over, end - 1 - hours * HOUR_S) for hours in range(LOOKED_BACK_H))
    return next(found for found in before if found != now)


def _inside(over: str, named: object, at: int, end: int, days: Days) -> bool:
    if over == "ever":
        return at < end
    if over[0].isdigit():
        return end - duration(over) <= at < end
    return at < end and days.window(over, at) == named


def _measured(run: Run, deeds: Iterable[Deed], days: Days) -> Mapping[str, Fraction]:
    how, _, what = run.by.partition(" ")
    kind = what.rpartition(" ")[2]
    each: defaultdict[str, list[Deed]] = defaultdict(list)
    for deed in deeds:
        if run.course and deed.course != run.course:
            continue
        if run.least_score is not None and (deed.score is None or deed.score < run.least_score):
            continue
        if how == "points" and (deed.undone or (run.group and deed.group != run.group)):
            continue
        if how != "points" and deed.kind != kind:
            continue
        each[deed.who].append(deed)
    return {who: Fraction(_value(how, mine, days)) for who, mine in each.items()}


def _value(how: str, mine: Sequence[Deed], days: Days) -> int:
    scores = [deed.score for deed in mine if deed.score is not None]
    match how:
        case "points":
            return sum(deed.paid for deed in mine)
        case "acts":
            return len(mine)
        case "days" | "weeks":
            return len({days.window(how.removesuffix("s"), deed.at) for deed in mine})
        case "sum":
            return sum(scores)
    return max(scores, default=0)


def _placed(run: Run, values: Mapping[str, Fraction]) -> dict[str, int]:
    ranked = {who: value for who, value in values.items() if value > 0 and value >= run.at_least}
    prizes: dict[str, int] = {}
    for who, value in ranked.items():
        better = [other for other in ranked.values() if other > value]
        equal = sum(other == value for other in ranked.values())
        place = len(set(better)) if run.ties == "all" else len(better)
        shared = run.places[place : place + (equal if run.ties == "split" else 1)]
        prizes[who] = sum(shared) // (equal if run.ties == "split" else 1)
    return prizes


def _came(run: Run, deeds: Iterable[Deed], days: Days) -> dict[str, int]:
    unit, _, kind = run.by.partition(" with ")
    each: defaultdict[str, set[object]] = defaultdict(set)
    for deed in deeds:
        if deed.kind == kind:
            each[deed.who].add(days.window(unit.removesuffix("s"), deed.at))
    return {who: run.places[0] for who, found in each.items() if len(found) >= run.needs}


def _away(run: Run, deeds: Iterable[Deed], end: int, days: Days) -> dict[str, int]:
    """Whose absence became so long within the window: each is told once, and only if it is not over."""
    newest: dict[str, int] = {}
    for deed in deeds:
        if not run.of or deed.kind == run.of:
            newest[deed.who] = max(newest.get(deed.who, 0), deed.at)
    became = {who: at + duration(run.away) for who, at in newest.items()}
    window = days.window(run.every, end - 1)
    found = [who for who, at in became.items() if at <= end and days.window(run.every, at - 1) == window]
    return dict.fromkeys(found, run.places[0])
