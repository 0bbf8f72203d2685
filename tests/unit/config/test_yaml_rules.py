"""The YAML form of older guides becomes rules.toml that means the same, and nothing in it is passed over."""

from __future__ import annotations

import pytest

from agent.config.document import FaultsError
from agent.config.rulefile import load_rules_text
from agent.config.yamlrules import converted
from tests.rule_stories import event, play

FORM = r"""
- id: quiz_master
  event: core\event\quiz_attempt_submitted
  conditions:
    score: ">=80"
  points: 10
  frequency: 1
  cooldown: 7d
- id: Daily Visit
  event: '\core\event\user_login'
  points: 2.5
  description: 'counts "once"'
"""
WANTED = r"""schema   = 1
timezone = "Africa/Johannesburg"

[[rule]]
id         = "quiz_master"
on         = '\core\event\quiz_attempt_submitted'
conditions = { score_pct = ">=80" }
award      = 10
once_per   = "ever"
frequency  = 1
cooldown   = "7d"

[[rule]]
id          = "daily-visit"
description = "counts \"once\""
title       = "Daily Visit"
on          = '\core\event\user_login'
award       = 2.5
"""


def test_the_form_becomes_toml_line_by_line() -> None:
    assert converted(FORM, "rules.yaml", "Africa/Johannesburg") == WANTED


def test_what_comes_out_loads_with_the_real_event_and_pays_so_often_as_frequency_says() -> None:
    text = converted("rules:" + FORM.partition("- id: Daily")[0], "rules.yaml", "UTC")
    (rule,) = (placed.it for placed in load_rules_text(text).rules)
    assert rule.on == (r"\mod_quiz\event\attempt_submitted",)
    name, facts = r"\mod_quiz\event\attempt_submitted", {"score_pct": 85}
    first, second = (event("quiz.submitted", lms_event=name, lesson=n, facts=facts) for n in ("1", "2"))
    poor = event("quiz.submitted", lms_event=name, facts={"score_pct": 79})
    assert play(text, poor, first, second) == [
        "ann refused condition score_pct >=80",
        "ann +10 points",
        "ann refused once_per ever",
    ]


def test_a_single_rule_and_a_list_of_conditions_are_understood() -> None:
    text = converted(
        "id: a\nevent: lesson.completed\npoints: 1\nconditions:\n  - module: [quiz, page]\n  - overridden: false\n",
        "rules.yaml",
        "UTC",
    )
    assert 'conditions = { module = ["quiz", "page"], overridden = false }' in text
    load_rules_text(text)


RULE = "- id: a\n  event: lesson.completed\n  points: 1\n"
FAULTS = [
    ("", "1:1: there is no rule in it"),
    ("rules: []\n", "1:8: there is no rule in it"),
    ("- id: a\n  event: x.y\n", "1:3: a rule needs `points`"),
    (RULE + "  freqency: 1\n", "4:3: unknown key 'freqency'"),
    (RULE + "  points: 2\n", "4:3: 'points' stands twice in this rule"),
    (RULE.replace("points: 1", "points: none"), "3:11: points is a number above 0"),
    (RULE.replace("points: 1", "points: -5"), "3:11: points is a number above 0"),
    (RULE + "  frequency: 0\n", "4:14: frequency is how many awards are allowed"),
    (RULE + "  frequency: daily\n", "4:14: frequency is how many awards are allowed"),
    (RULE + "  cooldown: 7\n", "4:13: cooldown is a time such as 7d"),
    (RULE + "  conditions: [{score: 1}, {score: 2}]\n", "4:15: two conditions are about one fact"),
    (RULE + "  conditions: often\n", "4:15: a condition is a table"),
    (RULE + "  conditions:\n    score: ~\n", "5:12: '~' is no value for this"),
    (RULE + "  conditions:\n    score: .inf\n", "5:12: '.inf' is no value for this"),
    (RULE + "  conditions:\n    score: {of: 1}\n", "5:12: a plain value was expected here"),
    (RULE + RULE, "1:1: two rules would be called 'a'"),
    ("- just a text\n", "1:3: a rule is a table"),
    (RULE.replace("id: a", "id: 7"), "1:7: id is a text"),
    (RULE + "  <<: {id: b}\n", "4:3: merged and composite keys"),
    ("- id: [a\n", "this is not YAML"),
    ("- id: !!python/object:os.system a\n  event: x.y\n  points: \x07\n", "this is not YAML"),
]


@pytest.mark.parametrize(("text", "told"), FAULTS, ids=[told for _, told in FAULTS])
def test_what_is_not_of_the_form_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(FaultsError) as raised:
        converted(text, "rules.yaml", "UTC")
    assert any(told in str(fault) for fault in raised.value.faults), raised.value.faults
