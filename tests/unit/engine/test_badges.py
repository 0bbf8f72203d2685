"""Badges that follow from what was earned: each criterion, what takes them away, and what rules require."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from agent.model import Event
from tests.rule_stories import decide, event, line, play, rule, rulebook

LESSON = rule(more='reverse_on = "lesson.uncompleted"\ntags = ["x"]\ngroup = "learn"', name="lesson")
QUIZ = rule("quiz.submitted", 'tags = ["y"]\ngroup = "learn"', name="quiz", award="{ points = 5, reputation = 20 }")
RULES = (
    "[currency.points]\n[currency.reputation]\nspendable = false\n"
    '[[level]]\nname = "Regular"\ncurrency = "reputation"\nfrom = 40\n'
    '[[tier]]\nname = "Silver"\nfrom = 15\nrequires = { rules = ["quiz"] }\n' + LESSON + QUIZ
)


def badge(criteria: str, *, name: str = "b", more: str = "") -> str:
    """One [[badge]] with these criteria."""
    return f'[[badge]]\nid = "{name}"\n{criteria}\n{more}\n'


def lesson(n: int, who: str = "ann") -> Event:
    return event(lesson=str(n), who=who, when=f"2026-09-07T09:00:{n:02d}")


def quiz(n: int, who: str = "ann") -> Event:
    return event("quiz.submitted", lesson=str(n), who=who, when=f"2026-09-07T10:00:{n:02d}")


def undo(n: int) -> Event:
    return event("lesson.uncompleted", lesson=str(n), when=f"2026-09-07T11:00:{n:02d}")


class Case(NamedTuple):
    """What a badge asks, what happened, and after how many of the events it is there (0: never)."""

    criteria: str
    events: tuple[Event, ...]
    after: int
    told: str = ""


CASES = {
    "all of two rules": Case('all_of = ["lesson", "quiz"]', (lesson(1), lesson(2), quiz(3)), 3),
    "any of two rules": Case('any_of = ["lesson", "quiz"]', (quiz(1), lesson(2)), 1),
    "two of three": Case(
        'any_of = [{ all_of = ["lesson", { level = "Regular" }] }, "quiz"]', (lesson(1), quiz(2)), 2, "an award of quiz"
    ),
    "so many awards of one rule": Case(
        'count = { rule = "lesson", at_least = 3 }', (lesson(1), quiz(2), lesson(3), lesson(4)), 4, "3 of 3 awards"
    ),
    "so many of a list": Case('count = { of = ["lesson", "quiz"], at_least = 2 }', (lesson(1), quiz(2)), 2),
    "so many awards of a group": Case('count = { group = "learn", at_least = 3 }', (quiz(1), lesson(2), quiz(3)), 3),
    "different rules of a group": Case(
        'count = { group = "learn", at_least = 2, distinct = true }', (quiz(1), quiz(2), lesson(3)), 3, "2 of 2"
    ),
    "awards of a tag": Case('count = { tag = "y", at_least = 2 }', (lesson(1), quiz(2), quiz(3)), 3),
    "distinct tags, whatever the points": Case(
        'tags = { distinct = ["x", "y"] }', (lesson(1), lesson(2), lesson(3), quiz(4)), 4, "an award of tag x"
    ),
    "a total ever earned": Case(
        'balance = { currency = "points", at_least = 15 }', (lesson(1), quiz(2)), 2, "15 of 15 points earned in all"
    ),
    "a total there is now": Case(
        'balance = { currency = "points", at_least = 20, of = "current" }',
        (lesson(1), undo(1), lesson(2), lesson(3)),
        4,
    ),
    "a level": Case('level = "Regular"', (quiz(1), quiz(2)), 2, "40 of 40 reputation earned in all for level Regular"),
    "a tier": Case('all_of = [{ tier = "Silver" }]', (lesson(1), quiz(2)), 2, "tier Silver"),
    "nothing else's awards": Case('all_of = ["quiz"]', (lesson(1), lesson(2)), 0),
    "from its day on": Case('all_of = ["lesson"]\neffective = 2026-09-08', (lesson(1),), 0),
    "until its last day": Case('all_of = ["lesson"]\neffective = { until = 2026-09-06 }', (lesson(1),), 0),
    "not where it is off": Case('all_of = ["lesson"]\nmode = "off"', (lesson(1),), 0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_badge_comes_with_the_act_that_makes_its_criteria_true(case: Case) -> None:
    book = rulebook(RULES + badge(case.criteria))
    given = [decision for decision in decide(book, case.events) if decision.rule_id == "badge:b"]
    assert [line(decision) for decision in given] == (["ann +1 badge:b"] if case.after else [])
    if case.after:
        assert given[0].event_id == case.events[case.after - 1].event_id
        assert given[0].reason.startswith("earned: ")
        assert case.told in given[0].reason


def test_a_badge_for_a_programme_comes_though_a_cap_on_awards_is_full() -> None:
    text = "[programme.p]\ncourses = ['BIO']\n" + RULES + '[[cap]]\nlimit = "1/7d"\n' + badge('programme = "p"')
    done = event("programme.completed", lesson=None, course=None, facts={"programme": "p"})
    assert play(text, lesson(1), done, lesson(2)) == [
        "ann +10 points",
        "ann nothing",
        "ann +1 badge:b",
        "ann refused cap 1/7d",
    ]
    assert play(text, done, lesson(1))[2:] == ["ann +10 points"], "and it takes no share of it"


def test_a_badge_of_badges_comes_in_the_same_breath() -> None:
    text = RULES + badge('all_of = ["one", "two"]', name="top") + badge('all_of = ["lesson"]', name="one")
    text += badge('all_of = [{ badge = "one" }, "quiz"]', name="two")
    assert play(text, lesson(1), quiz(2)) == [
        "ann +10 points",
        "ann +1 badge:one",
        "ann +5 points +20 reputation",
        "ann +1 badge:two",
        "ann +1 badge:top",
    ]


def test_a_badge_is_had_once_whatever_gives_it() -> None:
    giver = rule("forum.posted", 'badge = "b"\n', name="poster", award="1")
    text = RULES + giver + badge('all_of = ["lesson"]')
    posted = event("forum.posted", post="9")
    assert play(text, lesson(1), posted, lesson(2)) == [
        "ann +10 points",
        "ann +1 badge:b",
        "ann +1 points",
        "ann +10 points",
    ]
    assert play(text, posted, lesson(1)) == ["ann +1 points +1 badge:b", "ann +10 points"]


def test_a_sticky_badge_stays_and_another_goes_when_it_is_no_longer_true_and_comes_again() -> None:
    text = RULES + badge('count = { rule = "lesson", at_least = 2 }', name="stays")
    text += badge('count = { rule = "lesson", at_least = 2 }', name="goes", more="sticky = false")
    text += badge('all_of = ["goes"]', name="follows", more="sticky = false")
    lines = play(text, lesson(1), lesson(2), undo(2), lesson(3))
    assert lines == [
        "ann +10 points",
        "ann +10 points",
        "ann +1 badge:stays",
        "ann +1 badge:goes",
        "ann +1 badge:follows",
        "ann reversed undone: lesson.uncompleted",
        "ann reversed no longer true: 1 of 2 awards of lesson",
        "ann reversed no longer true: the badge goes: not yet",
        "ann +10 points",
        "ann +1 badge:goes",
        "ann +1 badge:follows",
    ]


def test_what_was_taken_back_and_earned_again_counts_once_in_a_lifetime_total() -> None:
    text = RULES + badge('balance = { currency = "points", at_least = 20 }')
    assert "ann +1 badge:b" not in play(text, lesson(1), undo(1), lesson(2))
    assert "ann +1 badge:b" in play(text, lesson(1), undo(1), lesson(2), lesson(3))


def test_shadow_gives_no_badge_and_counts_for_none() -> None:
    text = RULES + rule("forum.posted", 'mode = "shadow"', name="trial") + badge('any_of = ["lesson", "trial"]')
    assert play(text, event("forum.posted", post="1")) == ["ann would get +10 points"]
    assert play(text, lesson(1), shadow=True) == ["ann would get +10 points"]


@pytest.mark.parametrize(
    ("required", "told"),
    [
        ('{ badges = ["b"] }', "requires the badge b: not yet"),
        ('{ level = "Regular" }', "requires 20 of 40 reputation earned in all for level Regular"),
        ('{ tier = "Silver" }', "requires tier Silver lacks 5 of 15 points earned in all"),
        ('{ rules = ["lesson", "quiz"] }', "requires an award of lesson: not yet"),
        ('{ count = { rule = "quiz", at_least = 2 } }', "requires 1 of 2 awards of quiz"),
    ],
)
def test_a_rule_that_requires_something_pays_from_the_act_on_that_brought_it(required: str, told: str) -> None:
    prize = rule("forum.posted", f"requires = {required}", name="prize", award="100")
    text = RULES + prize + badge('all_of = ["lesson"]')
    first, second = event("forum.posted", post="1"), event("forum.posted", post="2")
    played = play(text, quiz(1), first, lesson(2), quiz(3), second)
    lines = [each for each in played if each != "ann +1 badge:b"]
    assert lines == [
        "ann +5 points +20 reputation",
        f"ann refused {told}",
        "ann +10 points",
        "ann +5 points +20 reputation",
        "ann +100 points",
    ]


def test_a_message_is_filled_with_what_the_badge_is_called_and_with_facts_of_the_act() -> None:
    text = RULES + badge('all_of = ["quiz"]', more='name = "Ace"\nemoji = "🏅"\nmessage = "{badge}: {score_pct} %"')
    (given,) = [
        one
        for one in decide(rulebook(text), [event("quiz.submitted", facts={"score_pct": 90})])
        if one.rule_id == "badge:b"
    ]
    assert given.message == "🏅 Ace: 90 %"
