"""The examples of the manual's page about badges: they load, their story is true, and their badges behave as told."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from agent.config.kinds import KindTable
from agent.engine.explain import decision_sentence, rule_sentences
from agent.engine.recognition.sentences import of_book
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from tests.pages import OF_RULES
from tests.rule_stories import decide, event, file, line, rulebook

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "admin" / "badges.md").read_text(encoding="utf-8")
*EXAMPLES, SET = (
    box for box in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if OF_RULES & set(tomllib.loads(box))
)
"""What stands in a file of rules; the page has a box of `config.toml`, too."""


def test_the_small_examples_are_one_file_that_loads() -> None:
    book = rulebook("\n".join(EXAMPLES))
    assert list(book.badges) == ["quiz-ace", "shine-nominee"]
    assert [tier.name for tier in book.tiers] == ["Bronze", "Gold"]
    assert "Only for who has the badge Quiz ace and 5000 reputation earned in all for level Regular." in rule_sentences(
        book.rules[0], book
    )
    told = of_book(book.badges.values(), book.tiers, book.levels, book.words)
    level = "5000 reputation earned in all for level Regular"
    assert told["tier Gold"] == (f"Tier Gold: 500 points earned in all and the badge Quiz ace and {level}.",)
    assert told["badge shine-nominee"][1:] == (
        "Given by hand by B. Desk, Dean.",
        "By one giver at most 5/month.",
        "By all givers at most 20/year.",
    )


def test_who_may_be_given_a_badge_and_what_levels_are_reached_with_is_told() -> None:
    book = rulebook(
        '[[badge]]\nid = "shine"\nassign = { by = ["Dean"], to = ["moodle:7", "moodle:8"] }\n[currency.reputation]\n'
        '[[level]]\nname = "Newcomer"\ncurrency = "reputation"\nfrom = 0\n'
        '[[level]]\nname = "Regular"\ncurrency = "reputation"\nfrom = 5000\nperk = "a desk"\n'
        'description = "Here often."\n[currency.credit]\ndecimals = 2\n'
        '[[level]]\nname = "Half"\ncurrency = "credit"\nfrom = 0.5\n'
    )
    told = of_book(book.badges.values(), book.tiers, book.levels, book.words)
    assert "Given by hand only to moodle:7, moodle:8." in told["badge shine"]
    assert told["level Newcomer"] == ("Reached with 0 reputation earned in all.",)
    assert told["level Regular"] == ("Reached with 5000 reputation earned in all.", "Brings: a desk.", "Here often.")
    assert told["level Half"] == ("Reached with 0.5 credit earned in all.",)


def test_which_of_a_badges_criteria_belong_together_is_told() -> None:
    book = rulebook(
        '[[rule]]\nid = "a"\non = "lesson.completed"\naward = 1\n[[badge]]\nid = "b"\nall_of = ["a"]\n'
        '[[badge]]\nid = "c"\nall_of = ["a"]\nany_of = ["b", { balance = { currency = "points", at_least = 9 } }]\n'
    )
    told = of_book(book.badges.values(), book.tiers, book.levels, book.words)
    assert "Earned by an award of a and (the badge b or 9 points earned in all)." in told["badge c"]


def test_the_story_of_the_whole_set_is_true() -> None:
    rules = file(SET)
    (result,) = run_cases(rules, compile_rules(rules, KindTable()))
    assert result.failures == ()


def test_a_story_that_expects_a_badge_that_does_not_come_is_untrue() -> None:
    wrong = SET.replace('rule = "badge:voice", badge = "voice"', 'rule = "badge:voice", badge = "shine"')
    rules = file(wrong)
    (result,) = run_cases(rules, compile_rules(rules, KindTable()))
    assert result.failures == ("ben should have badge:shine 1 from badge:voice and has badge:voice 1",)


def test_the_starter_badge_comes_from_its_tags_alone_and_says_so() -> None:
    book = rulebook(SET)

    explored = [event("submission.received", key=key, facts={"form": "explore"}) for key in "ef"]
    assert "ann +1 badge:starter" not in [line(one) for one in decide(book, explored)]
    both = [event("tag.added", key=str(n), facts={"tag": f"elevate-ai-{n}-completed"}) for n in (1, 2)]
    (given,) = [one for one in decide(book, both) if one.rule_id == "badge:starter"]
    assert decision_sentence(given, book) == (
        "badge:starter gave moodle:ann the badge starter: earned: an award of tag elevate-ai-1;"
        " an award of tag elevate-ai-2."
    )
