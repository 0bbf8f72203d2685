"""What so much of a currency is called, wherever a sentence tells it."""

from __future__ import annotations

import pytest

from agent.engine import words
from agent.engine.explain import amounts, rule_sentences
from agent.engine.recognition.sentences import of_book
from agent.model import Posting
from tests.rule_stories import rule, rulebook

RULES = (
    '[currency.credits]\ndecimals = 2\n[currency.bonus]\n[currency.taler]\none = "Taler"\n[currency.XPs]\n'
    '[currency.leaves]\none = "leaf"\n'
    + rule(award="{ points = 1, credits = 1, leaves = 2 }", more='badge = "ace"')
    + '[[level]]\nname = "first"\ncurrency = "points"\nfrom = 1\n'
    + '[[badge]]\nid = "rich"\nbalance = { currency = "credits", at_least = 1 }\n[[badge]]\nid = "ace"\n'
)


@pytest.mark.parametrize(
    ("account", "units", "told"),
    [
        ("points", 1, "1 point"),
        ("points", -1, "-1 point"),
        ("points", 0, "0 points"),
        ("points", 21, "21 points"),
        ("credits", 100, "1.00 credit"),
        ("credits", 1, "0.01 credits"),
        ("bonus", 1, "1 bonus"),
        ("taler", 1, "1 Taler"),
        ("taler", 2, "2 taler"),
        ("XPs", 1, "1 XP"),
        ("leaves", 1, "1 leaf"),
        ("kudos", 1, "1 kudos"),
        ("glass", 1, "1 glass"),
        ("s", 1, "1 s"),
        ("badge:points", 1, "the badge points"),
    ],
)
def test_one_of_a_currency_is_called_by_its_singular(account: str, units: int, told: str) -> None:
    assert words.amount(account, units, rulebook(RULES).currencies) == told


def test_rules_badges_and_levels_are_told_with_it() -> None:
    book = rulebook(RULES)
    said = " ".join(rule_sentences(book.rules[0], book))
    assert "The subject gets 1 point, 1.00 credit, 2 leaves, the badge ace." in said
    told = of_book(book.badges.values(), book.tiers, book.levels, book.words)
    assert told["level first"] == ("Reached with 1 point earned in all.",)
    assert any("1 credit earned in all" in sentence for sentence in told["badge rich"])
    assert amounts([], book) == "nothing"
    assert amounts([Posting(currency="points", amount=1)]) == "1 point"
