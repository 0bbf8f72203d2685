"""Lessons in quick succession by chance, over midnight and changes of the clock: what is paid is what is read."""

from __future__ import annotations

from datetime import date
from random import Random

import pytest

from agent.engine import evaluate
from agent.engine.rules import Rulebook
from agent.engine.whatif.memory import Memory
from agent.model import Outcome
from tests.effort import examples
from tests.oracle import drawn
from tests.oracle.anniversaries import starts
from tests.oracle.days import Days, duration
from tests.oracle.momentum import Burst, Done, awards
from tests.rule_stories import event, rule, rulebook

AFTER_S = (60, 1200, 1800, 3599, 3600, 3601, 7200, 21_600, 80_000, 86_400)


def _acts(chance: Random, begin: int) -> list[Done]:
    at, found = begin, []
    for _ in range(chance.choice([3, 6, 10])):
        at += chance.choice(AFTER_S[: chance.choice([4, 7, 10])])
        found.append(Done(at, chance.choice("12345"[: chance.choice([2, 3, 5])])))
    return found


def _paid(rules: Rulebook, acts: list[Done]) -> int:
    memory, paid = Memory(), 0
    for number, act in enumerate(acts):
        seen = event(when=act.at, lesson=act.lesson, key=str(number))
        for decision in memory.book(evaluate.judge(seen, rules)):
            paid += decision.outcome is Outcome.awarded
    return paid


def _written(burst: Burst, within: str, days: Days) -> str:
    head = f'schema = 1\ntimezone = "{days.zone}"\nday_starts_at = "{days.starts}"\nweek_starts_on = "{days.week}"\n'
    often = ", repeat = true" if burst.often else ""
    return head + rule(more=f'momentum = {{ lessons = {burst.lessons}, within = "{within}"{often} }}', award="1")


@pytest.mark.parametrize("seed", range(examples(150)))
def test_lessons_in_quick_succession_are_paid_as_a_plain_reading_says_in_any_order(seed: int) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    new_year = starts(date(2027, 1, 1), days) - chance.randrange(4 * 3600)
    acts = _acts(chance, new_year if chance.random() < 0.3 else int(begin.timestamp()) + chance.randrange(86_400))
    within = chance.choice(["30m", "1h", "2h", "12h"])
    burst = Burst(chance.choice([2, 2, 3]), duration(within), chance.random() < 0.5)
    rules, read = rulebook(_written(burst, within, days)), awards(burst, acts, days)
    assert _paid(rules, acts) == read
    assert _paid(rules, chance.sample(acts, len(acts))) == read
