"""What is wrong about badges, tiers and requires is told with its place and the nearest name."""

from __future__ import annotations

import pytest

from agent.config.document import FaultsError
from agent.config.rulefile import load_rules_text

HEAD = """schema = 1
timezone = "UTC"
[[rule]]
id = "quiz"
on = "quiz.submitted"
award = 1
group = "learn"
tags = ["x"]
"""


def faults(text: str) -> list[str]:
    """`line: message, hint` of each, the head's nine lines left off."""
    with pytest.raises(FaultsError) as caught:
        load_rules_text(HEAD + text)
    return [f"{fault.line - 8}: {fault.message}, {fault.hint}".removesuffix(", ") for fault in caught.value.faults]


BADGE = '[[badge]]\nid = "b"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BADGE + 'all_of = ["quizz"]', "3: 'quizz' is neither a rule nor a badge, did you mean 'quiz'?"),
        (BADGE + 'all_of = [{ rule = "quizz" }]', "3: there is no rule 'quizz', did you mean 'quiz'?"),
        (
            BADGE + 'count = { group = "lern", at_least = 2 }',
            "3: there is no group of rules 'lern', did you mean 'learn'?",
        ),
        (BADGE + 'tags = { distinct = ["x", "y"] }', "3: there is no tag of rules 'y', there is x"),
        (BADGE + 'balance = { currency = "gold", at_least = 2 }', "3: there is no currency 'gold', there is points"),
        (BADGE + 'level = "Regular"', "3: there is no level 'Regular'"),
        (BADGE + 'programme = "safety"', "3: there is no programme 'safety'"),
        (BADGE + "all_of = []", "3: a list with something in it, the id of a rule or badge"),
        (BADGE + 'count = { rule = "quiz" }', '3: a count is a table, such as { rule = "quiz-80", at_least = 3 }'),
        (BADGE + 'any_of = [{ any_of = ["quiz"], at_least = 2 }]', "3: at least 2 of 1 can never be, ask for fewer"),
        (BADGE + 'any_of = [{ rool = "quiz" }]', "3: unknown key 'rool', there is all_of"),
        (BADGE + "effective = 3", "3: 3 is no day, 2026-09-01"),
        (BADGE + 'effective = "September"', "3: 'September' is no day, 2026-09-01"),
        (BADGE + 'effective = { from = "2026-02-30" }', "3: '2026-02-30' is no day, 2026-09-01"),
        (BADGE + BADGE, "4: badge 'b' stands"),
        (
            BADGE + 'all_of = ["c"]\n[[badge]]\nid = "c"\nall_of = ["b"]',
            "1: this waits for itself: badge b → badge c → badge b",
        ),
        (BADGE + 'assign = { limit = "5 points/month" }', "3: a badge that is given by hand is counted, not paid"),
        (BADGE + 'assign = { limit = "5/sem1" }', "3: unknown window 'sem1'"),
        ('[[tier]]\nname = "T"\nrequires = { badges = ["b"] }', "3: there is no badge 'b'"),
        ('[[tier]]\nname = "T"\nfrom = 5\ncurrency = "gold"', "1: unknown currency 'gold', there is points"),
        (
            BADGE + '[[rule]]\nid = "r"\non = "forum.posted"\nbadge = "bb"',
            "6: no [[badge]] has the id 'bb', did you mean 'b'?",
        ),
        ('[[rule]]\nid = "r"\non = "forum.posted"\naward = 1\nrequires = "x"', "5: this is a table, such as"),
        (
            '[[badge]]\nid = "quiz"\n[[badge]]\nid = "c"\nall_of = ["quiz"]',
            '5: \'quiz\' is a rule and a badge, write { rule = "quiz" } or { badge = "quiz" }',
        ),
    ],
)
def test_a_fault_of_a_badge_a_tier_or_a_requirement_is_told_at_its_place(text: str, told: str) -> None:
    assert any(fault.startswith(told) for fault in faults(text)), faults(text)


def test_a_thousand_badges_in_a_row_are_checked_without_end_of_stack() -> None:
    chain = "".join(f'[[badge]]\nid = "b{n}"\nall_of = ["{f"b{n - 1}" if n else "quiz"}"]\n' for n in range(3000))
    assert len(load_rules_text(HEAD + chain).badges) == 3000
