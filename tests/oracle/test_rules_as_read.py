"""Campuses by chance: what the engine pays and why not is what a plain reading of the contract says, act by act."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from agent.model import Decision, Outcome
from tests.effort import examples
from tests.oracle.plain import WEEKDAYS, Act, Bound, Days, Reader, Ruling
from tests.rule_stories import decide, event, rulebook

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


def _bound(chance: Random, currencies: list[str]) -> Bound:
    unit = chance.choice(["", *currencies])
    most = chance.choice([5, 7, 12, 20, 33]) if unit else chance.choice([1, 2, 3])
    return Bound(most=most, unit=unit, window=chance.choice(WINDOWS), trims=bool(unit) and chance.random() < 0.5)


def _ruling(chance: Random, number: int) -> Ruling:
    award = chance.choice([{"points": 3}, {"points": 10}, {"points": 4, "stars": 1}])
    once = chance.choice(ONCE)
    return Ruling(
        name=f"r{number}",
        award=award,
        once=once,
        frequency=chance.choice([1, 1, 2]) if once != ("event",) else 1,
        cooldown=chance.choice(["", "", "", "10m", "1d", "36h"]),
        limits=[_bound(chance, list(award)) for _ in range(chance.choice([0, 1, 1, 2]))],
    )


def _acts(chance: Random, begin: datetime) -> list[Act]:
    """Somewhat out of order, and often as far apart as a window is long."""
    span = chance.choice([2, 10, 40]) * 86_400
    acts: list[Act] = []
    for number in range(30):
        at = int(begin.timestamp()) + chance.randrange(span)
        if acts and chance.random() < 0.4:
            at = chance.choice(acts).at + chance.choice(JUMPS) * chance.choice([1, -1])
        course = chance.choice("12")
        lesson = course + chance.choice("123456")
        acts.append(Act(at=at, who=chance.choice(["ann", "ben"]), lesson=lesson, course=course, key=str(number)))
    return sorted(acts, key=lambda act: act.at) if chance.random() < 0.5 else acts


def _written(bounds: list[Bound]) -> str:
    each = [f'{{ of = "{one.text}", over = "{"trim" if one.trims else "refuse"}" }}' for one in bounds]
    return f"limit = [{', '.join(each)}]\n"


def _toml(days: Days, rulings: list[Ruling], caps: list[Bound]) -> str:
    text = f'schema = 1\ntimezone = "{days.zone}"\nday_starts_at = "{days.starts}"\nweek_starts_on = "{days.week}"\n'
    text += f"[period.sem1]\nfrom = {days.period[0]}\nuntil = {days.period[1]}\n[currency.stars]\n"
    for one in rulings:
        award = ", ".join(f"{currency} = {amount}" for currency, amount in one.award.items())
        text += f'[[rule]]\nid = "{one.name}"\non = "lesson.completed"\naward = {{ {award} }}\n'
        text += f"once_per = {list(one.once)}\nfrequency = {one.frequency}\n{_written(list(one.limits))}"
        text += f'cooldown = "{one.cooldown}"\n' if one.cooldown else ""
    return text + "".join(f"[[cap]]\n{_written([one])}" for one in caps)


def _told(decision: Decision) -> str:
    if decision.outcome is Outcome.awarded:
        return ", ".join(f"{posting.amount} {posting.currency}" for posting in decision.postings)
    kind, _, what = decision.reason.partition(" ")
    return kind if kind in {"once_per", "frequency"} else f"{kind} {what}"


@pytest.mark.parametrize("seed", range(examples(200)))
def test_what_is_paid_and_why_not_is_what_a_plain_reading_says(seed: int) -> None:
    chance = Random(seed)
    zone = chance.choice(ZONES)
    begin = chance.choice(BEGINS.get(zone, USUAL))
    first: date = begin.date() + timedelta(chance.randrange(6))
    days = Days(
        zone=zone,
        starts=chance.choice(["00:00", "04:00", "02:30", "23:00"]),
        week=chance.choice(WEEKDAYS),
        period=(first, first + timedelta(chance.randrange(1, 20))),
    )
    rulings = [_ruling(chance, number) for number in range(chance.choice([1, 2, 4]))]
    caps = [_bound(chance, ["points"]) for _ in range(chance.choice([0, 0, 1, 2]))]
    rules, reader, acts = rulebook(_toml(days, rulings, caps)), Reader(days, rulings, caps), _acts(chance, begin)
    events = [event(when=act.at, who=act.who, lesson=act.lesson, course=act.course, key=act.key) for act in acts]
    assert [_told(one) for one in decide(rules, events)] == [said for act in acts for said in reader.read(act)]
