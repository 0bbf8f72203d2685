"""The sets of rules that the manual hands out: each loads, and its stories are true."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from tests.rule_stories import file, rule

SETS = Path(__file__).parents[3] / "docs" / "sets"


@pytest.mark.parametrize("name", ["leaps", "sprint"])
def test_a_set_of_the_manual_loads_without_warnings_and_its_stories_are_true(name: str) -> None:
    rules = load_rules([SETS / f"{name}.toml"])
    assert rules.warnings == ()
    told = {result.name: result.failures for result in run_cases(rules, compile_rules(rules, KindTable()))}
    assert told
    assert {story: failures for story, failures in told.items() if failures} == {}


def test_a_rule_that_pays_a_referrer_whom_nothing_names_is_worth_a_second_look() -> None:
    pays = rule("course.completed", award='[{ to = "referrer", points = 50 }, { to = "subject", points = 10 }]')
    assert [fault.message for fault in file(pays).warnings] == ["the log names no referrer"]
    assert file('[person]\nreferrer = { profile_field = "referredby" }\n' + pays).warnings == ()
    assert file(rule("course.completed")).warnings == ()
