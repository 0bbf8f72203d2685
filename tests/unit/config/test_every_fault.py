"""One fault hides no other: whatever is wrong with the rules is told in one breath, each at its own place."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.document import FaultsError
from agent.config.rulefile import load_rules_text

HEAD = 'schema = 1\ntimezone = "UTC"\n'
RULE = '[[rule]]\nid = "r"\non = "lesson.completed"\naward = 1\n'


def told(text: str) -> list[str]:
    """`LINE:COLUMN message` of each fault."""
    try:
        load_rules_text(HEAD + text)
    except FaultsError as error:
        return [f"{one.line}:{one.column} {one.message}" for one in error.faults]
    return []


@pytest.mark.parametrize("award", ['award = "x"\n', ""])
def test_a_rule_without_an_award_that_can_be_read_is_read_for_all_else(award: str) -> None:
    # The whole rule was left out, and with it the unknown kind and the unknown window.
    found = told(f'[[rule]]\nid = "r"\non = "lesson.complete"\nlimit = "3/fortnight"\n{award}')
    assert len(found) == 3
    assert "5:6 unknown kind 'lesson.complete'" in found
    assert any(one.startswith("6:9 ") and "fortnight" in one for one in found)


def test_what_stands_in_for_a_missing_id_is_never_told() -> None:
    found = told('[[rule]]\non = "lesson.completed"\n')
    assert found == ["3:1 `id` is missing from [[rule]]", "3:1 the rule gives nothing"]


def test_a_bad_element_of_a_list_hides_no_other() -> None:
    found = told(RULE + 'limit = ["-1/day", "3/fortnight", "x/day"]\non_ = 1\n')
    assert [one.partition(" ")[0] for one in found] == ["7:10", "7:20", "7:35", "8:1"]
    assert "fortnight" in found[1]


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ('id = "N o"\non = ["lesson.complete", 7]\naward = 1\n', [4, 5, 5]),
        ('id = "r"\naward = { points = "x", gold = -1, silver = 2 }\n', [3, 5, 5, 5]),
        (
            'id = "r"\non = "lesson.completed"\naward = [{ to = "x", gold = 1 }, { to = "actor", points = "y" }]\n',
            [6] * 3,
        ),
        ('id = "r"\non = "lesson.completed"\nlimit = "x"\nonce_per = ["day", "day"]\n', [3, 6, 7]),
        ('id = "r"\non = "lesson.completed"\nbadge = "No!"\nlimit = "3/fortnight"\n', [6, 7]),
        ('id = "r"\non = "lesson.completed"\naward = 1\naudience = { courses = [1, ":"], cohorts = [2] }\n', [7] * 3),
    ],
)
def test_every_fault_of_one_rule_is_told(rule: str, lines: list[int]) -> None:
    assert [int(one.partition(":")[0]) for one in told(f"[[rule]]\n{rule}")] == lines


def test_a_fault_of_one_table_hides_none_of_what_refers_to_others() -> None:
    deny = '[[deny]]\non = "forum.posted"\nreason = 5\nconditions = { word_count = "@nowhere" }\n'
    found = told('[value.w]\ndefault = "x"\n' + deny + '[[level]]\nname = "New"\ncurrency = "gold"\nfrom = 0\n' + RULE)
    assert len(found) == 4, found
    assert {"8:29 unknown value @nowhere", "11:12 unknown currency 'gold'"} <= set(found)


def test_a_denial_without_its_reason_and_a_cap_without_its_limit_are_read_on() -> None:
    found = told('[[deny]]\non = "forum.postd"\n[[cap]]\ngroup = "lern"\n' + RULE)
    assert [one.split(" ", 1)[1] for one in found] == [
        "`reason` is missing from [[deny]]",
        "unknown kind 'forum.postd'",
        "`limit` is missing from [[cap]]",
        "no rule is in group 'lern'",
    ]


PIECES = {
    "award": ['award = "x"', "award = -1", 'award = { points = "x" }', 'award = [{ to = "x" }]'],
    "limit": ['limit = "x"', 'limit = ["2/day", "-1/day"]', 'limit = "3/fortnight"'],
    "on": ['on = "lesson.complete"', 'on = ["forum.posted", 7]'],
    "mode": ['mode = "on"'],
    "conditions": ['conditions = { score_pct = ">=" }', 'conditions = { score_pct = ">= @none" }'],
    "once_per": ['once_per = "fortnight"', 'once_per = ["day", "day"]'],
    "min_trust": ['min_trust = "high"'],
    "tags": ["tags = [1]"],
    "active": ['active = { hours = "x" }'],
}
GOOD = {"award": "award = 1", "on": 'on = "quiz.submitted"'}
WRONG = st.dictionaries(st.sampled_from(sorted(PIECES)), st.integers(0, 3), min_size=1)


def written(wrong: dict[str, int]) -> str:
    """A rule with one line for each key, those of ``wrong`` faulty."""
    lines = {key: GOOD.get(key, f"# {key}") for key in PIECES}
    lines |= {key: PIECES[key][number % len(PIECES[key])] for key, number in wrong.items()}
    return '[[rule]]\nid = "r"\n' + "".join(f"{lines[key]}\n" for key in PIECES)


@cache
def told_alone(key: str, number: int) -> list[str]:
    """The faults of a rule in which one line alone is faulty."""
    return told(written({key: number}))


@settings(max_examples=15)
@given(WRONG)
def test_the_faults_of_a_rule_are_those_of_its_lines_each_alone(wrong: dict[str, int]) -> None:
    alone = sorted(one for key, number in wrong.items() for one in told_alone(key, number))
    assert alone
    assert sorted(told(written(wrong))) == alone
