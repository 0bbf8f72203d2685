"""A slow, plain reading of what an act earns, what limits and holds that, and what undoing it takes back, in any order.

It imports nothing of the product, remembers whole awards instead of counters, and looks through all of them each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from statistics import median
from typing import NamedTuple

from tests.oracle.days import Days, duration
from tests.oracle.wishes import Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """``3/day`` or ``20 points/7d``; what goes over is refused, or cut to fit."""

    most: int
    unit: str
    window: str
    trims: bool = False

    @property
    def text(self) -> str:
        """As it is written, and told as a reason."""
        return f"{self.most}{f' {self.unit}' if self.unit else ''}/{self.window}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap(Bound):
    """A bound over all rules, or those of a group; over acts of all sources, or of these."""

    group: str = ""
    sources: Sequence[str] = ()

    def covers(self, group: str, source: str) -> bool:
        """Whether it counts an award of a rule of this group for an act of this source."""
        return self.group in {"", group} and (not self.sources or source in self.sources)

    @property
    def said(self) -> str:
        """As it is told as a reason."""
        return self.text + (f" from {' or '.join(sorted(self.sources))}" if self.sources else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """``[safety]``: at most ``factor`` times the usual of a day, and ``floor`` points on any."""

    factor: str
    days: int
    at_least: int
    floor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One rule: what it pays, once per what and how often, what bounds it, what takes it back, and who looks at it.

    ``adjust`` is how many points whoever looks may approve instead: the least and the most.
    """

    name: str
    award: Mapping[str, int]
    once: Sequence[str]
    frequency: int
    cooldown: str
    limits: Sequence[Bound]
    undone_by: Sequence[str] = ()
    budget: Bound | None = None
    review: bool = False
    adjust: tuple[int, int] | None = None
    group: str = ""
    tags: Sequence[str] = ()
    requires: Wish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Campus:
    """Rules that are in force together."""

    days: Days
    rulings: Sequence[Ruling]
    caps: Sequence[Cap]
    budgets: Sequence[Bound] = ()
    brake: Brake | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """That somebody completed a lesson of a course, or that this was undone.

    ``at`` in seconds UTC, ``place`` in the log; ``source`` told of it first.
    """

    at: int
    who: str
    lesson: str
    course: str
    key: str
    kind: str = "lesson.completed"
    place: int = 0
    believed: bool = True
    source: str = "moodle"

    @property
    def when(self) -> tuple[int, int]:
        """What tells earlier from later."""
        return self.at, self.place

    def is_about(self, other: Act) -> bool:
        """Whether undoing ``other`` could be meant: a reset is about everybody in the course."""
        if self.kind == "course.reset":
            return other.course == self.course
        return (other.who, other.lesson) == (self.who, self.lesson)


class Award(NamedTuple):
    """What was paid for an act, or is kept for it until a person has looked."""

    rule: str
    act: Act
    scope: tuple[object, ...]
    paid: Mapping[str, int]
    held: bool = False
    taken_back: bool = False


class Waits(NamedTuple):
    """What is held and keeps nothing from anybody."""

    rule: str
    act: Act
    scope: tuple[object, ...]
    why: str = ""

    def shares(self, other: Waits) -> bool:
        """Whether both are of one learner's one scope."""
        return (self.rule, self.act.who, self.scope) == (other.rule, other.act.who, other.scope)


class Reader:
    """Reads acts one after the other, as they arrive."""

    def __init__(self, campus: Campus) -> None:
        self.campus, self.days = campus, campus.days
        self.awards: list[Award] = []
        self.waiting: list[Waits] = []
        self.again: list[Waits] = []
        self.undone: list[tuple[str, Act]] = []

    def read(self, act: Act) -> list[str]:
        """What each rule says: ``10 points``, why nothing, or ``-10 points``."""
        if act.kind == "lesson.completed":
            return [self._said(ruling, act) for ruling in self.campus.rulings]
        undoing = [ruling for ruling in self.campus.rulings if act.kind in ruling.undone_by]
        return [said for ruling in undoing for said in self._undo(ruling, act)]

    def open(self) -> list[tuple[str, str]]:
        """Rule and act of all that waits for somebody."""
        kept = [(award.rule, award.act.key) for award in self._standing() if award.held]
        return sorted([*kept, *((each.rule, each.act.key) for each in self.waiting)])

    def balances(self, currency: str) -> dict[str, int]:
        """What each learner has; who has nothing is left out."""
        found: dict[str, int] = {}
        for award in self._standing():
            amount = 0 if award.held else award.paid.get(currency, 0)
            found[award.act.who] = found.get(award.act.who, 0) + amount
        return {who: amount for who, amount in found.items() if amount}

    def _standing(self) -> list[Award]:
        return [award for award in self.awards if not award.taken_back]

    def _said(self, ruling: Ruling, act: Act) -> str:
        scope = tuple(self._part(name, act) for name in ruling.once)
        waits = Waits(ruling.name, act, scope)
        if None in scope and act.believed:
            return f"no {ruling.once[scope.index(None)]}"
        if any(rule == ruling.name and undo.is_about(act) and undo.when > act.when for rule, undo in self.undone):
            return "undone"
        if not act.believed:
            self.waiting.append(waits._replace(why="trust"))
            return "held trust"
        paid = dict(ruling.award)
        refused = self._lacking(ruling, act) or self._used_up(ruling, waits) or self._over(ruling, act, paid)
        return refused or self._earned(ruling, waits, paid)

    def _lacking(self, ruling: Ruling, act: Act) -> str:
        """Why what the rule requires is not there: here nothing is asked first."""
        del ruling, act
        return ""

    def _earned(self, ruling: Ruling, waits: Waits, paid: Mapping[str, int]) -> str:
        if braked := self._braked(ruling, waits.act, paid):
            self.waiting.append(waits._replace(why="budget"))
            return f"held {braked}"
        self.awards.append(Award(*waits[:3], paid, held=ruling.review))
        if ruling.review:
            return "held review"
        self._close(ruling, waits)
        return amounts(paid)

    def _close(self, ruling: Ruling, waits: Waits) -> None:
        """What waits in a scope that is used up can earn no more."""
        if self._taken(waits) >= ruling.frequency:
            self.waiting = [one for one in self.waiting if not one.shares(waits)]

    def _taken(self, place: Waits) -> int:
        return sum(place.shares(Waits(*one[:3])) for one in self._standing())

    def _used_up(self, ruling: Ruling, waits: Waits) -> str:
        """Scope and cooldown; what was taken back does not count for the one and counts for the other."""
        if self._taken(waits) >= ruling.frequency:
            self.again += [waits] if waits not in self.again else []
            return "once_per" if ruling.frequency == 1 else "frequency"
        mine = [one.act for one in self.awards if (one.rule, one.act.who) == (ruling.name, waits.act.who)]
        if ruling.cooldown and any(abs(act.at - waits.act.at) < duration(ruling.cooldown) for act in mine):
            return f"cooldown {ruling.cooldown}"
        return ""

    def _part(self, name: str, act: Act) -> object | None:
        named: dict[str, object] = {"lesson": act.lesson, "course": act.course, "event": act.key}
        return named[name] if name in named else self.days.window(name, act.at)

    def _over(self, ruling: Ruling, act: Act, paid: dict[str, int]) -> str:
        """The limit or cap that refuses; what trims has cut ``paid``."""
        everything = [one for one in self._standing() if one.act.who == act.who]
        mine = [one for one in everything if one.rule == ruling.name]
        for bound in ruling.limits:
            if not self._fits(bound, mine, act.at, paid):
                return f"limit {bound.text}"
        if badge := next((currency for currency in paid if currency.startswith("badge:")), ""):
            paid[badge] = min(paid[badge], int(not self._had(act.who, badge)))
            if not any(paid.values()):
                return "already has the badge"
        groups = {one.name: one.group for one in self.campus.rulings}
        for cap in self.campus.caps:
            past = [one for one in everything if cap.covers(groups[one.rule], one.act.source)]
            if cap.covers(ruling.group, act.source) and not self._fits(cap, past, act.at, paid):
                return f"cap {cap.said}"
        return ""

    def _had(self, who: str, badge: str) -> bool:
        """Whether somebody has a badge, or it is kept for them."""
        return any(one.act.who == who and one.paid.get(badge) for one in self._standing())

    def _braked(self, ruling: Ruling, act: Act, promised: Mapping[str, int]) -> str:
        """The budget or brake over everybody that holds the award."""
        everything, paid = self._standing(), dict(promised)
        mine = [one for one in everything if one.rule == ruling.name]
        for bound in self.campus.budgets:
            if not self._fits(bound, everything, act.at, paid):
                return f"budget {bound.text}"
        if told := self._unusual(everything, act, paid):
            return told
        if ruling.budget is not None and not self._fits(ruling.budget, mine, act.at, paid):
            return f"budget {ruling.budget.text} of {ruling.name}"
        told = self._unusual(mine, act, paid)
        return f"{told} of {ruling.name}" if told else ""

    def _unusual(self, past: Sequence[Award], act: Act, paid: Mapping[str, int]) -> str:
        """More in a currency than so many times the median of the days with awards before this one."""
        brake, today = self.campus.brake, self.days.day(act.at)
        if brake is None:
            return ""
        for currency in sorted(paid):
            issued: dict[int, int] = {}
            for one in past:
                ago = (today - self.days.day(one.act.at)) // timedelta(days=1)
                issued[ago] = issued.get(ago, 0) + one.paid.get(currency, 0)
            before = [amount for ago, amount in issued.items() if 1 <= ago <= brake.days and amount]
            floor = brake.floor if currency == "points" else 0
            if len(before) >= brake.at_least:
                most = max(Fraction(brake.factor) * Fraction(median(map(Fraction, before))), Fraction(floor))
            elif floor:
                most = Fraction(floor)
            else:
                continue
            if paid[currency] and issued.get(0, 0) + paid[currency] > most:
                return f"safety {brake.factor}x usual {currency}/day"
        return ""

    def _fits(self, bound: Bound, past: Sequence[Award], at: int, paid: dict[str, int]) -> bool:
        """Whether the award keeps the bound, cut down where that is asked for."""
        wanted = paid.get(bound.unit, 0) if bound.unit else 1
        room = bound.most - self._used(bound, past, at)
        if wanted <= max(room, 0):
            return True
        if bound.trims:
            paid[bound.unit] = max(room, 0)
        return bound.trims and any(paid.values())

    def _used(self, bound: Bound, past: Sequence[Award], at: int) -> int:
        """The most that any one window with ``at`` in it holds already."""

        def held(inside: Callable[[int], bool]) -> int:
            return sum(one.paid.get(bound.unit, 0) if bound.unit else 1 for one in past if inside(one.act.at))

        if bound.window[0].isdigit():
            length = duration(bound.window)
            begins = [when for when in (at, *(one.act.at for one in past)) if when <= at < when + length]
            return max(held(lambda when, begin=begin: begin <= when < begin + length) for begin in begins)  # type: ignore[misc]
        mine = self.days.window(bound.window, at)
        return -(10**9) if mine is None else held(lambda when: self.days.window(bound.window, when) == mine)

    def _undo(self, ruling: Ruling, undo: Act) -> list[str]:
        """Takes back what stands of no later acts; as much of a scope stays as was done again since, and not paid."""
        if not undo.believed:
            return ["trust"]
        self.undone.append((ruling.name, undo))
        about = [one for one in self._standing() if one.rule == ruling.name and undo.is_about(one.act)]
        mine = sorted((one for one in about if one.act.when <= undo.when), key=lambda one: one.act.when)
        since = [one for one in self.again if one.rule == ruling.name and undo.is_about(one.act)]
        since = [one for one in since if one.act.when > undo.when]
        room = {(one.act.who, one.scope): 0 for one in mine}
        for one in since:
            room[one.act.who, one.scope] = room.get((one.act.who, one.scope), 0) + 1
        gone: list[Award] = []
        for award in reversed(mine):
            room[award.act.who, award.scope] -= 1
            if room[award.act.who, award.scope] < 0:
                gone.insert(0, award)
        closed = [one for one in self.waiting if (one.rule, True) == (ruling.name, undo.is_about(one.act))]
        closed = [one for one in closed if one.act.when <= undo.when]
        self.waiting = [one for one in self.waiting if one not in closed]
        self.awards = [_answered(one) if one in gone else one for one in self.awards if not (one.held and one in gone)]
        told = [f"-{amounts(award.paid, '-')}" for award in gone if not award.held]
        if told:
            return told
        if len(gone) < len(mine):
            return ["done again since"]
        return ["held decision"] if closed or gone else ["nothing to undo"]


def _answered(award: Award) -> Award:
    """The award, no longer standing; its cooldown runs on."""
    return award._replace(taken_back=True)


def amounts(paid: Mapping[str, int], sign: str = "") -> str:
    """`10 points, 1 stars`."""
    return f", {sign}".join(f"{amount} {currency}" for currency, amount in paid.items() if amount)
