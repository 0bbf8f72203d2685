"""Limits that never act beside another of their rule: told where that is certain, and then they change nothing."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest

from tests.rule_stories import event, file, play, rule

NEVER = [
    (["1/day", "40/month"], "40/month", "1/day"),
    (["7/week", "1/day"], "7/week", "1/day"),
    (["3/day", "30 points/day"], "30 points/day", "3/day"),
    (["3/day", "20 points/day"], "3/day", "20 points/day"),
    (["20 points/ever", "3/ever"], "3/ever", "20 points/ever"),
    (["3/day", "210 points/week"], "210 points/week", "3/day"),
    (["5/7d", "10/14d"], "10/14d", "5/7d"),
    (["1/7d", "2/week"], "2/week", "1/7d"),
    (["2/day", "8/50h"], "8/50h", "2/day"),
    (["1/ever", "1/sem1"], "1/sem1", "1/ever"),
]
MAY_ACT = [
    '["3/day", "20/week"]',
    '["3/day", "200 points/week"]',
    '["5/7d", "9/14d"]',
    '["1/7d", "1/week"]',
    '["2/day", "7/50h"]',
    '["1/day", "1/sem1"]',
    '[{ of = "20 points/ever", over = "trim" }, "3/ever"]',
    '["3/ever", { of = "2/ever", for = "author" }]',
]
SEM1 = "[period.sem1]\nfrom = 2026-09-01\nuntil = 2026-12-20\n"


def limited(limits: str, *, cooldown: str = "", award: str = "10") -> str:
    """A rule with these limits."""
    cooling = f'\ncooldown = "{cooldown}"' if cooldown else ""
    return SEM1 + rule(more=f'limit = {limits}\nonce_per = "event"{cooling}', award=award)


def awarded(rules: str, seed: str) -> list[bool]:
    """Which of many acts at times of chance the rules pay for."""
    chance = Random(seed)
    times = [chance.randrange(1_788_300_000, 1_788_300_000 + 40 * 86_400, 1_800) for _ in range(120)]
    told = play(rules, *(event(when=when, key=str(number)) for number, when in enumerate(times)))
    return [one == "ann +10 points" for one in told]


@pytest.mark.parametrize(("limits", "idle", "other"), NEVER)
def test_a_limit_that_another_leaves_nothing_to_do_is_told(limits: list[str], idle: str, other: str) -> None:
    (warning,) = file(limited(str(limits).replace("'", '"'))).warnings
    assert (warning.message, warning.hint) == ("this limit can never act", f"{other} allows no more anyway")
    written = f'limit = ["{limits[0]}", '
    assert warning.column == (len('limit = ["') if idle == limits[0] else len(written) + 1)


@pytest.mark.parametrize("limits", MAY_ACT)
def test_a_limit_that_may_act_is_left_alone(limits: str) -> None:
    assert [one.message for one in file(limited(limits)).warnings if "this limit" in one.message] == []


COOLED = ["1/day", "2/week", "10 points/day", "20 points/week", '{ of = "10 points/36h", for = "subject" }']


def asked(limit: str) -> str:
    return limit if limit.startswith("{") else f'"{limit}"'


@pytest.mark.parametrize("limit", COOLED)
def test_a_limit_that_the_cooldown_leaves_nothing_to_do_is_told_and_changes_nothing(limit: str) -> None:
    cooled = limited(asked(limit), cooldown="4d")
    (warning,) = file(cooled).warnings
    assert warning.message.endswith(" can never act")
    assert warning.hint.startswith("cooldown 4d allows ")
    assert awarded(cooled, limit) == awarded(limited("[]", cooldown="4d"), limit)


@pytest.mark.parametrize("limit", ["1/week", "10 points/week", "9/50d"])
def test_a_limit_that_the_cooldown_leaves_something_to_do_is_left_alone(limit: str) -> None:
    assert file(limited(asked(limit), cooldown="4d")).warnings == ()


def test_limits_of_recipients_who_get_different_currencies_say_nothing_of_each_other() -> None:
    awards = '[{ to = "author", points = 10 }, { to = "subject", stars = 1 }]'
    assert file("[currency.stars]\n" + limited('["20 points/ever", "3/ever"]', award=awards)).warnings == ()


def test_a_limit_of_amounts_that_people_approve_is_not_called_idle() -> None:
    adjusted = rule(more='limit = ["3/day", "30 points/day"]\nreview = { when = "always", adjust = "1..60" }')
    assert file(adjusted).warnings == ()


@pytest.mark.parametrize(("limits", "idle", "other"), NEVER)
def test_what_is_called_idle_changes_nothing(limits: list[str], idle: str, other: str) -> None:
    alone = awarded(limited(f'["{other}"]'), idle)
    for order in permutations(limits):
        assert awarded(limited(str(list(order)).replace("'", '"')), idle) == alone
