"""Exact figures against ones by hand, and groups that let nobody be found."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.measures.act import Act
from agent.measures.effect import Effect, effect
from agent.measures.figures import coin, root
from agent.measures.groups import SMALL, joined, shown
from agent.measures.momentum import momentum
from agent.measures.past import Past
from tests.effort import examples

LEARNERS = st.frozensets(st.sampled_from("abcdefghijklmnop"))


def lesson(learner: str, day: int, what: str) -> Act:
    return Act(learner=learner, kind="lesson.completed", at=day * 86_400, day=day, course="1", what=what)


@pytest.mark.parametrize(("value", "found"), [(4, Fraction(2)), (2, Fraction(1_414_213, 1_000_000)), (0, Fraction(0))])
def test_a_square_root_is_cut_off_after_six_places(value: int, found: Fraction) -> None:
    assert root(Fraction(value)) == found


@settings(max_examples=examples(60))
@given(st.integers(0, 60), st.integers(0, 60))
def test_the_chance_of_a_split_is_what_counting_all_tosses_says(up: int, down: int) -> None:
    tosses = up + down
    ways = sum(comb(tosses, heads) for heads in range(tosses + 1) if abs(2 * heads - tosses) >= abs(up - down))
    assert coin(up, down) == Fraction(ways, 2**tosses)


@settings(max_examples=examples(150))
@given(st.dictionaries(st.sampled_from(["n", "m", "k", "x", "y"]), LEARNERS.filter(bool)), st.integers(1, 6))
def test_no_group_of_too_few_is_shown_and_nobody_is_left_by_subtraction(
    groups: dict[str, frozenset[str]], least: int
) -> None:
    found = shown(groups, least)
    assert all(len(learners) >= least for learners in found.values())
    everybody, told = frozenset().union(*groups.values()), frozenset().union(*found.values())
    assert told == (everybody if len(everybody) >= least else frozenset())
    assert {name: learners for name, learners in found.items() if name != SMALL}.items() <= groups.items()


def test_two_names_of_one_cohort_are_one_group_and_smaller_groups_stand_together_last() -> None:
    groups = joined({"pilot": "abcdef", "Pilot group": "abcdef", "b": "gh", "c": "ijk", "none": ""})
    assert shown(groups, 5) == {"Pilot group / pilot": frozenset("abcdef"), SMALL: frozenset("ghijk")}
    assert shown(joined({"big": "abcde", "one": "f"}), 5) == {SMALL: frozenset("abcdef")}
    assert shown(joined({"one": "f"}), 5) == {}


def test_an_effect_is_the_mean_change_of_the_same_learners_with_its_interval_by_hand() -> None:
    past = Past(100, 127)
    for number in range(20):
        who = f"l{number:02d}"
        past.add([lesson(who, 50, "old"), lesson(who, 101, f"{who} a"), lesson(who, 120, f"{who} b")])
        past.add([lesson(who, 121, f"{who} c")] if number < 10 else [])
    past.add([lesson("new", 115, "n")])
    one = effect(past, 2)
    assert (one.learners, one.newcomers, one.before, one.after) == (20, 1, 20, 30)
    assert (one.up, one.same, one.down) == (10, 10, 0)
    assert one.change == Fraction(1, 4)
    assert one.spread is not None
    assert abs(one.spread**2 - Fraction(5, 19) / 4) < Fraction(1, 10**5), "0 and 1, ten of each, in two weeks"
    assert one.interval is not None
    low, high = one.interval
    assert (round(low, 3), round(high, 3)) == (Fraction(138, 1000), Fraction(362, 1000))
    assert one.by_chance == Fraction(2, 2**10)


def test_of_few_learners_no_interval_is_told() -> None:
    few = Effect(weeks=1, learners=19, newcomers=0, before=0, after=19, up=19, down=0, squares=19)
    assert few.interval is None
    assert few.change == 1
    assert few.size is None


def test_momentum_is_fifty_where_a_week_is_as_the_mean_of_the_four_before() -> None:
    past = Past(28, 41)
    past.add([lesson("a", day, str(day)) for day in (0, 7, 14, 21, 28)])
    first, second = momentum(past, lambda day: day - day % 7)
    assert (first.week, first.lessons, first.before) == (28, 1, 4)
    assert first.score == 50
    assert (first.learners, first.rising, first.falling) == (1, 0, 0)
    assert (second.lessons, second.before, second.falling) == (0, 4, 1)
    assert second.score == 0
