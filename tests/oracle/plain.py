"""A slow, plain reading of what limits an award: scopes, frequency, cooldowns, limits and caps, in any order.

It imports nothing of the product, remembers whole awards instead of counters, and looks through all of them each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def duration(text: str) -> int:
    """Seconds of ``7d``."""
    return int(text[:-1]) * SECONDS[text[-1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The institution's days: its zone, when a day and a week begin, and one period, both ends included."""

    zone: str
    starts: str
    week: str
    period: tuple[date, date]

    def window(self, name: str, at: int) -> object | None:
        """What tells one day, week, month … from the next; None outside the period."""
        hours, minutes = (int(part) for part in self.starts.split(":"))
        wall = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        day = (wall - timedelta(hours=hours, minutes=minutes)).date()
        if name == "sem1":
            return name if self.period[0] <= day <= self.period[1] else None
        monday = day - timedelta((day.weekday() - WEEKDAYS.index(self.week)) % 7)
        found = {"day": day, "week": monday, "month": (day.year, day.month), "year": day.year, "ever": name}
        return found[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """``3/day`` or ``20 points/7d``; what goes over is refused, or cut to fit."""

    most: int
    unit: str
    window: str
    trims: bool

    @property
    def text(self) -> str:
        """As it is written, and told as a reason."""
        return f"{self.most}{f' {self.unit}' if self.unit else ''}/{self.window}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One rule: what it pays, once per what and how often, and what bounds it."""

    name: str
    award: Mapping[str, int]
    once: Sequence[str]
    frequency: int
    cooldown: str
    limits: Sequence[Bound]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """That somebody completed a lesson of a course; ``at`` in seconds UTC."""

    at: int
    who: str
    lesson: str
    course: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """What was paid, to whom, when and for what."""

    rule: str
    who: str
    at: int
    scope: tuple[object, ...]
    paid: Mapping[str, int]


class Reader:
    """Reads acts one after the other, as they arrive."""

    def __init__(self, days: Days, rulings: Sequence[Ruling], caps: Sequence[Bound]) -> None:
        self.days, self.rulings, self.caps = days, rulings, caps
        self.awards: list[Award] = []

    def read(self, act: Act) -> list[str]:
        """What each rule says: ``10 points`` or why nothing."""
        return [self._said(ruling, act) for ruling in self.rulings]

    def _said(self, ruling: Ruling, act: Act) -> str:
        scope = tuple(self._part(name, act) for name in ruling.once)
        if None in scope:
            return f"no {ruling.once[scope.index(None)]}"
        mine = [award for award in self.awards if (award.rule, award.who) == (ruling.name, act.who)]
        if sum(award.scope == scope for award in mine) >= ruling.frequency:
            return "once_per" if ruling.frequency == 1 else "frequency"
        if ruling.cooldown and any(abs(award.at - act.at) < duration(ruling.cooldown) for award in mine):
            return f"cooldown {ruling.cooldown}"
        paid = dict(ruling.award)
        everything = [award for award in self.awards if award.who == act.who]
        for kind, bounds, past in (("limit", ruling.limits, mine), ("cap", self.caps, everything)):
            for bound in bounds:
                if not self._fits(bound, past, act.at, paid):
                    return f"{kind} {bound.text}"
        self.awards.append(Award(rule=ruling.name, who=act.who, at=act.at, scope=scope, paid=paid))
        return ", ".join(f"{amount} {currency}" for currency, amount in paid.items() if amount)

    def _part(self, name: str, act: Act) -> object | None:
        named: dict[str, object] = {"lesson": act.lesson, "course": act.course, "event": act.key}
        return named[name] if name in named else self.days.window(name, act.at)

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
            return sum(award.paid.get(bound.unit, 0) if bound.unit else 1 for award in past if inside(award.at))

        if bound.window[0].isdigit():
            length = duration(bound.window)
            begins = [when for when in (at, *(award.at for award in past)) if when <= at < when + length]
            return max(held(lambda when, begin=begin: begin <= when < begin + length) for begin in begins)  # type: ignore[misc]
        mine = self.days.window(bound.window, at)
        return -(10**9) if mine is None else held(lambda when: self.days.window(bound.window, when) == mine)
