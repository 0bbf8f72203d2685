"""Campuses and acts by chance, in the words of the reading and as a rules file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

from tests.oracle.days import WEEKDAYS, Days
from tests.oracle.plain import Act, Bound, Brake, Campus, Cap, Ruling

ZONES = (
    "America/St_Johns",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
)
BEGINS = {"Pacific/Apia": (datetime(2011, 12, 27, tzinfo=UTC), datetime(2011, 9, 22, tzinfo=UTC))}
"""Around a day that was left out; elsewhere around changes of the clock."""
USUAL = (datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 26, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC))
WINDOWS = ("day", "week", "month", "year", "ever", "sem1", "7d", "1d", "12h", "30d", "2w", "36h", "90m")
ONCE = (("ever",), ("lesson",), ("course",), ("day",), ("week",), ("sem1",), ("lesson", "day"), *[("event",)] * 5)
JUMPS = (60, 600, 5400, 3600, 43_200, 86_399, 86_400, 86_401, 604_800)
SOURCES = ("moodle", "shop")
GROUPS = ("learn", "talk")
UNDOING = ("lesson.uncompleted", "course.reset")


def days(chance: Random) -> tuple[Days, datetime]:
    """An institution's days, and when its story begins."""
    zone = chance.choice(ZONES)
    begin = chance.choice(BEGINS.get(zone, USUAL))
    first: date = begin.date() + timedelta(chance.randrange(6))
    period = (first, first + timedelta(chance.randrange(1, 20)))
    starts = chance.choice(["00:00", "04:00", "02:30", "23:00"])
    return Days(zone=zone, starts=starts, week=chance.choice(WEEKDAYS), period=period), begin


def bound(chance: Random, currencies: list[str]) -> Bound:
    """A limit of awards or units."""
    unit = chance.choice(["", *currencies])
    most = chance.choice([5, 7, 12, 20, 33]) if unit else chance.choice([1, 2, 3])
    return Bound(most=most, unit=unit, window=chance.choice(WINDOWS), trims=bool(unit) and chance.random() < 0.5)


def cap(chance: Random, rulings: Sequence[Ruling]) -> Cap:
    """A limit across these rules: all of them or a group, acts of all sources or of some."""
    found = bound(chance, ["points"])
    groups = sorted({one.group for one in rulings} - {""})
    return Cap(
        most=found.most,
        unit=found.unit,
        window=found.window,
        trims=found.trims,
        group=chance.choice(["", *groups]),
        sources=chance.choice([(), (), *((one,) for one in SOURCES), SOURCES]),
    )


def ruling(chance: Random, number: int) -> Ruling:
    """A rule that nothing undoes."""
    award = chance.choice([{"points": 3}, {"points": 10}, {"points": 4, "stars": 1}])
    once = chance.choice(ONCE)
    return Ruling(
        name=f"r{number}",
        award=award,
        once=once,
        frequency=chance.choice([1, 1, 2]) if once != ("event",) else 1,
        cooldown=chance.choice(["", "", "", "10m", "1d", "36h"]),
        limits=[bound(chance, list(award)) for _ in range(chance.choice([0, 1, 1, 2]))],
        group=chance.choice(["", *GROUPS]),
    )


def undoable(chance: Random, number: int) -> Ruling:
    """A rule that takes back, where somebody may look first and a budget may hold."""
    found = ruling(chance, number)
    budget = Bound(
        most=chance.choice([10, 30, 60]), unit="points", window=chance.choice(["day", "week", "sem1", "36h"])
    )
    return replace(
        found,
        limits=found.limits if chance.random() < 0.4 else (),
        undone_by=chance.choice([(), UNDOING[:1], UNDOING[1:], UNDOING, UNDOING]),
        budget=budget if chance.random() < 0.2 else None,
        review=chance.random() < 0.2,
    )


def campus(chance: Random, around: Days) -> Campus:
    """Rules with everything that stands across them."""
    budget = Bound(
        most=chance.choice([20, 60, 100]), unit="points", window=chance.choice(["day", "week", "month", "7d"])
    )
    brake = Brake(
        factor=chance.choice(["1.1", "1.5", "2"]),
        days=chance.choice([3, 7, 14]),
        at_least=chance.choice([1, 2, 3]),
        floor=chance.choice([0, 10, 25]),
    )
    rulings = [undoable(chance, number) for number in range(chance.choice([1, 2, 3]))]
    return Campus(
        days=around,
        rulings=rulings,
        caps=[cap(chance, rulings) for _ in range(chance.choice([0, 0, 0, 1]))],
        budgets=[budget] if chance.random() < 0.2 else [],
        brake=brake if chance.random() < 0.3 else None,
    )


def acts(chance: Random, begin: datetime) -> list[Act]:
    """Somewhat out of order, and often as far apart as a window is long."""
    span = chance.choice([2, 10, 40]) * 86_400
    found: list[Act] = []
    for number in range(30):
        at = int(begin.timestamp()) + chance.randrange(span)
        if found and chance.random() < 0.4:
            at = chance.choice(found).at + chance.choice(JUMPS) * chance.choice([1, -1])
        course = chance.choice("12")
        lesson = course + chance.choice("123456")
        who, source = chance.choice(["ann", "ben"]), chance.choice(SOURCES)
        found.append(Act(at=at, who=who, lesson=lesson, course=course, key=str(number), source=source))
    return sorted(found, key=lambda act: act.at) if chance.random() < 0.5 else found


def done_and_undone(chance: Random, begin: datetime) -> list[Act]:
    """Few lessons, done and undone again and again, some of it in one second, some of it not believed."""
    span = chance.choice([4, 600, 86_400, 3 * 86_400, 10 * 86_400])
    whose = [(who, lesson) for who in ("ann", "ben") for lesson in ("11", "12", "21")]
    whose = chance.sample(whose, chance.choice([1, 1, 2, 4, 6]))
    kinds = ["lesson.completed"] * chance.choice([3, 6]) + chance.choice([list(UNDOING), list(UNDOING[:1])])
    doubted = chance.choice([0, 0, 0.2])
    told: list[Act] = []
    for number in range(chance.choice([6, 10, 20])):
        who, lesson = chance.choice(whose)
        told.append(
            Act(
                at=int(begin.timestamp()) + chance.randrange(span),
                who=who,
                lesson=lesson,
                course=lesson[0],
                key=str(number),
                kind=chance.choice(kinds),
                believed=chance.random() >= doubted,
                source=chance.choice(SOURCES),
            )
        )
    told.sort(key=lambda act: act.at)
    return [replace(act, place=place) for place, act in enumerate(told, 1)]


def shuffled(chance: Random, told: list[Act]) -> list[Act]:
    """In another order of arrival: as told, a few of them late, or anyhow."""
    how = chance.choice(["told", "late", "anyhow"])
    if how == "told":
        return told
    if how == "anyhow":
        return chance.sample(told, len(told))
    late = {act.key for act in chance.sample(told, min(2, len(told)))}
    return sorted(told, key=lambda act: act.key in late)


def written(one: Campus) -> str:
    """The rules file."""
    around = one.days
    text = (
        f'schema = 1\ntimezone = "{around.zone}"\nday_starts_at = "{around.starts}"\nweek_starts_on = "{around.week}"\n'
    )
    text += f"[period.sem1]\nfrom = {around.period[0]}\nuntil = {around.period[1]}\n[currency.stars]\n"
    text += f"[budget]\npoints = {[f'{each.most}/{each.window}' for each in one.budgets]}\n" if one.budgets else ""
    if one.brake is not None:
        floor = f"floor = {{ points = {one.brake.floor} }}\n" if one.brake.floor else ""
        text += f'[safety]\nhold_over = "{one.brake.factor}x usual"\ndays = {one.brake.days}\n'
        text += f"at_least = {one.brake.at_least}\n{floor}"
    return text + "".join(map(_rule, one.rulings)) + "".join(map(_cap, one.caps))


def _rule(one: Ruling) -> str:
    money = {currency: amount for currency, amount in one.award.items() if not currency.startswith("badge:")}
    award = ", ".join(f"{currency} = {amount}" for currency, amount in money.items())
    text = f'[[rule]]\nid = "{one.name}"\non = "lesson.completed"\naward = {{ {award} }}\n'
    text += f"once_per = {list(one.once)}\nfrequency = {one.frequency}\n{_limits(one.limits)}"
    text += f'group = "{one.group}"\n' if one.group else ""
    text += f'cooldown = "{one.cooldown}"\n' if one.cooldown else ""
    text += f"reverse_on = {list(one.undone_by)}\n" if one.undone_by else ""
    text += f'budget = "{one.budget.text}"\n' if one.budget is not None else ""
    text += "".join(f"badge = '{each.removeprefix('badge:')}'\n" for each in one.award if each not in money)
    text += f"tags = {list(one.tags)}\n" if one.tags else ""
    text += f"requires = {{ all_of = [{one.requires.table}] }}\n" if one.requires is not None else ""
    adjust = f', adjust = {{ points = "{one.adjust[0]}..{one.adjust[1]}" }}' if one.adjust is not None else ""
    return text + (f'review = {{ when = "always"{adjust} }}\n' if one.review else "")


def _cap(one: Cap) -> str:
    text = f'[[cap]]\ngroup = "{one.group}"\n' if one.group else "[[cap]]\n"
    return text + (f"source = {list(one.sources)}\n" if one.sources else "") + _limits([one])


def _limits(bounds: Sequence[Bound]) -> str:
    each = [f'{{ of = "{one.text}", over = "{"trim" if one.trims else "refuse"}" }}' for one in bounds]
    return f"limit = [{', '.join(each)}]\n"
