"""`[programme.NAME]` and `[person]` in rules.toml: what is read, what is refused, and where the fault is told."""

from __future__ import annotations

import pytest

from agent.config.document import FaultsError
from tests.rule_stories import file, rulebook
from tests.rule_stories import rule as a_rule

PROGRAMME = '[programme.onboarding]\ncourses = ["SAFETY-1", "idnumber:HS-103", "id:7"]\npass = 80\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[programme.p]\ncourses = ["A", "A"]', "a course stands in it twice"),
        ('[programme.p]\ncourses = ["A"]\npass = 101', "101 is no pass mark"),
        ('[programme.p]\ncourses = ["A"]\npass = "done"', "'done' is no pass mark"),
        ('[programme.p]\ncourses = ["idnumber:"]', "'idnumber:' names no course"),
        ('[programme."no name"]\ncourses = ["A"]', "no name"),
        ('[person]\nreferrer = { profile_field = "a b" }', "'a b' is no short name of a profile field"),
    ],
)
def test_what_makes_no_programme_is_told(text: str, told: str) -> None:
    with pytest.raises(FaultsError) as caught:
        file(text + "\n")
    assert any(told in str(fault) for fault in caught.value.faults), caught.value.faults


def test_what_must_be_fetched_follows_from_the_programme_where_a_rule_stands_on_it() -> None:
    demand = rulebook(PROGRAMME + a_rule("programme.completed")).demand
    assert demand.names == {r"\core\event\user_graded"}
    assert demand.facts == {"score_pct", "course_shortname", "course_idnumber", "course_id", "staff"}
    assert [(one.name, one.programme) for one in demand.selectors] == [
        ("SAFETY-1", "onboarding"),
        ("idnumber:HS-103", "onboarding"),
        ("id:7", "onboarding"),
    ]
    completed = rulebook(PROGRAMME.replace("80", '"completed"') + a_rule("programme.completed")).demand
    assert completed.names == {r"\core\event\course_completed"}
    assert "score_pct" not in completed.facts


@pytest.mark.parametrize("rules", [a_rule(), a_rule("programme.completed", 'mode = "off"')])
def test_a_programme_that_no_rule_stands_on_asks_for_nothing(rules: str) -> None:
    made = rulebook(PROGRAMME + rules)
    assert made.derivations == ()
    assert made.demand.selectors == ()
    assert r"\core\event\user_graded" not in made.demand.names


def test_the_profile_field_is_asked_for_only_where_a_rule_pays_the_referrer() -> None:
    person = '[person]\nreferrer = { profile_field = "referredby" }\n'
    paying = rulebook(person + a_rule(award='[{ to = "referrer", points = 5 }]')).demand
    assert paying.profile == {"referrer": "referredby"}
    assert "referrer" in paying.facts
    assert rulebook(person + a_rule()).demand.profile == {}
    assert "referrer" not in rulebook(person + a_rule()).demand.facts
