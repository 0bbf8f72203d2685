"""The grammar of conditions, row by row: what a fact must be for a condition to be met."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.model import Event, Fact
from tests.rule_stories import decide, event, play, rule, rulebook

MET: list[tuple[str, Fact]] = [
    ('">=80"', 80),
    ('">= 80"', Fraction(241, 3)),
    ('">79.5"', Fraction(159_000_001, 2_000_000)),
    ('"<=80"', 80),
    ('"<80"', Fraction(239, 3)),
    ('"<7d"', 604_799),
    ('"<=7d"', 604_800),
    ('">-5"', -4),
    ('"<=0d"', -86_400),
    ('"60..79"', 60),
    ('"60..79"', 79),
    ('"60 .. 79.5"', Fraction(159, 2)),
    ('"1d..2d"', 86_400),
    ('">=80"', "80.00000"),
    ("80", 80),
    ("80", "80.0"),
    ("79.5", Fraction(159, 2)),
    ('"80"', 80),
    ('"80"', "80"),
    ('"80"', "80.0"),
    ("true", True),
    ("true", 1),
    ("true", "true"),
    ("false", "0"),
    ("false", False),
    ('"quiz"', "quiz"),
    ('""', ""),
    ('"abc*"', "abcdef"),
    ('"abc*"', "abc"),
    ('"*c*"', "a.c\nd"),
    ('"a?"', "a?"),
    ('"!=x"', "y"),
    ('"!=x"', 3),
    ('"!=3"', 4),
    ('"!=abc*"', "xabc"),
    ('["quiz", "lesson"]', "lesson"),
    ('[1, "3..5"]', 4),
    ('"pilot"', ("pilot", "x")),
    ('"!=pilot"', ("x",)),
    ('{ is = ">=80" }', 80),
    ('"true"', True),
    ('"7d"', 604_800),
    ('"168h"', 604_800),
    ('"-2h"', -7_200),
    ('"0d"', 0),
    ('"7d"', "7d"),
    ('"!=7d"', 604_801),
    ('["7d", "14d"]', 1_209_600),
    ('"66.66667"', "66.66667"),
    ('"!=66.66667"', Fraction(200, 3)),
]
NOT_MET: list[tuple[str, Fact]] = [
    ('">=80"', Fraction(239, 3)),
    ('">=80"', Fraction(79_999_999_999, 1_000_000_000)),
    ('">80"', 80),
    ('"<7d"', 604_800),
    ('"60..79"', Fraction(79_000_001, 1_000_000)),
    ('"60..79"', 59),
    ('">=1"', True),
    ('">=80"', "high"),
    ("80", "eighty"),
    ("1", True),
    ("true", 2),
    ("true", "yes"),
    ("true", False),
    ('"quiz"', "Quiz"),
    ('"abc*"', "xabc"),
    ('"!=x"', "x"),
    ('"!=3"', "3.0"),
    ('"!=abc*"', "abcd"),
    ('["quiz", "lesson"]', "page"),
    ('"pilot"', ("x",)),
    ('"!=pilot"', ("pilot", "x")),
    ('"7d"', 604_799),
    ('"7d"', "8d"),
    ('"!=7d"', 604_800),
    ('["7d", "14d"]', 604_801),
    ('"66.66667"', Fraction(200, 3)),
    ('["66.66667", "0.00001"]', Fraction(200, 3)),
    ('"66.6"', Fraction(66_600_001, 1_000_000)),
]


@pytest.mark.parametrize(("condition", "fact"), MET)
def test_a_condition_is_met(condition: str, fact: Fact) -> None:
    assert play(rule(more=f"conditions = {{ f = {condition} }}"), event(facts={"f": fact})) == ["ann +10 points"]


@pytest.mark.parametrize(("condition", "fact"), NOT_MET)
def test_a_condition_is_not_met(condition: str, fact: Fact) -> None:
    (told,) = play(rule(more=f"conditions = {{ f = {condition} }}"), event(facts={"f": fact}))
    assert told.startswith("ann refused condition f ")


UNKNOWN = [
    ('">=80"', "ann refused condition f >=80 (f unknown)"),
    ('{ is = ">=80", if_unknown = "pass" }', "ann +10 points"),
    ('{ is = ">=80", if_unknown = "fail" }', "ann refused condition f >=80 (f unknown)"),
    ('{ is = ">=80", if_unknown = "hold" }', "ann held fact f unknown"),
]


@pytest.mark.parametrize(("condition", "told"), UNKNOWN)
def test_a_condition_on_an_unknown_fact_is_not_met_unless_it_says_otherwise(condition: str, told: str) -> None:
    assert play(rule(more=f"conditions = {{ f = {condition} }}"), event()) == [told]


NESTED: list[tuple[str, dict[str, Fact], str]] = [
    ("any = [{ a = 1 }, { b = 1 }]", {"b": 1}, "ann +10 points"),
    ("any = [{ a = 1 }, { b = 1 }]", {"a": 1, "b": 2}, "ann +10 points"),
    ("any = [{ a = 1 }, { b = 1 }]", {"a": 2, "b": 2}, "ann refused condition any of (a 1; b 1)"),
    ("any = [{ a = 1 }, { b = 1 }]", {}, "ann refused condition any of (a 1; b 1)"),
    ("any = [{}, { b = 1 }]", {}, "ann +10 points"),
    ('any = [{ a = { is = 1, if_unknown = "hold" } }, { b = 1 }]', {"b": 2}, "ann held fact a unknown"),
    ('any = [{ a = { is = 1, if_unknown = "hold" } }, { b = 1 }]', {"b": 1}, "ann +10 points"),
    ('any = [{ b = 1 }, { a = { is = 1, if_unknown = "hold" } }]', {}, "ann held fact a unknown"),
    ('any = [{ a = { is = 1, if_unknown = "hold" } }, { b = 1 }]', {}, "ann held fact a unknown"),
    ('a = { is = 1, if_unknown = "hold" }, b = 1', {}, "ann held fact a unknown"),
    ('b = 1, a = { is = 1, if_unknown = "hold" }', {}, "ann held fact a unknown"),
    ('a = { is = 1, if_unknown = "hold" }, b = 1', {"b": 2}, "ann refused condition b 1"),
    ("a = 1, b = 1", {"b": 2}, "ann refused condition b 1"),
    ("none = [{ a = 1 }]", {"a": 2}, "ann +10 points"),
    ("none = [{ a = 1 }]", {"a": 1}, "ann refused condition none of (a 1)"),
    ("none = [{ a = 1 }]", {}, "ann held fact a unknown"),
    ("none = [{}]", {}, "ann refused condition none of ()"),
    ("none = [{ a = 1, b = 1 }]", {"b": 2}, "ann +10 points"),
    ("none = [{ a = 1, b = 1 }]", {"b": 1}, "ann held fact a unknown"),
    ("none = [{ a = 1 }, { b = 1 }]", {"a": 2, "b": 1}, "ann refused condition none of (b 1)"),
    ('none = [{ a = { is = 1, if_unknown = "fail" } }]', {}, "ann +10 points"),
    ('none = [{ a = { is = 1, if_unknown = "pass" } }]', {}, "ann refused condition none of (a 1)"),
    ("none = [{ any = [{ a = 1 }, { b = 1 }] }]", {"a": 2, "b": 2}, "ann +10 points"),
    ("none = [{ any = [{ a = 1 }, { b = 1 }] }]", {"a": 2}, "ann held fact b unknown"),
    ("none = [{ none = [{ a = 1 }] }]", {"a": 1}, "ann +10 points"),
    ("none = [{ none = [{ a = 1 }] }]", {}, "ann held fact a unknown"),
    ("c = 1, none = [{ a = 1 }]", {"c": 2}, "ann refused condition c 1"),
    ("c = 1, any = [{ a = 1 }]", {"c": 1, "a": 1}, "ann +10 points"),
]


@pytest.mark.parametrize(("conditions", "facts", "told"), NESTED)
def test_any_and_none_nest(conditions: str, facts: dict[str, Fact], told: str) -> None:
    assert play(rule(more=f"conditions = {{ {conditions} }}"), event(facts=facts)) == [told]


WINDOW = '[value.window]\ndefault = "14d"\nBIO101 = "7d"\n[value.bare]\nBIO101 = 3\n'
BY_COURSE: list[tuple[str, int, dict[str, Fact], str | None, str]] = [
    ("<= @window", 7, {"course_shortname": "BIO101"}, "1", "ann +10 points"),
    ("<= @window", 8, {"course_shortname": "BIO101"}, "1", "ann refused condition f <= @window"),
    ("<=@window", 14, {"course_shortname": "CHEM"}, "1", "ann +10 points"),
    ("<= @window", 15, {"course_shortname": "CHEM"}, "1", "ann refused condition f <= @window"),
    ("<= @window", 14, {}, None, "ann +10 points"),
    ("<= @window", 1, {}, "1", "ann refused condition f <= @window (@window unknown)"),
    ("<= @bare", 1, {"course_shortname": "CHEM"}, "1", "ann refused condition f <= @bare (@bare unknown)"),
    ("!= @window", 7, {"course_shortname": "BIO101"}, "1", "ann refused condition f != @window"),
    ("@window", 7, {"course_shortname": "BIO101"}, "1", "ann +10 points"),
]
LISTED: list[tuple[str, int, str]] = [
    ('"<= @window", "30d"', 8, "ann refused condition f one of <= @window, 30d (@window unknown)"),
    ('"<= @window", "30d"', 30, "ann +10 points"),
]


@pytest.mark.parametrize(("test", "days", "facts", "course", "told"), BY_COURSE)
def test_a_value_differs_by_course(test: str, days: int, facts: dict[str, Fact], course: str | None, told: str) -> None:
    rules = WINDOW + rule(more=f'conditions = {{ f = "{test}" }}\nonce_per = "event"')
    assert play(rules, event(course=course, facts={"f": days * 86_400, **facts})) == [told]


@pytest.mark.parametrize(("members", "days", "told"), LISTED)
def test_a_list_with_a_value_of_an_unknown_course_is_unknown_unless_another_member_fits(
    members: str, days: int, told: str
) -> None:
    rules = WINDOW + rule(more=f'conditions = {{ f = [{members}] }}\nonce_per = "event"')
    assert play(rules, event(facts={"f": days * 86_400})) == [told]


def test_a_denial_by_a_list_holds_where_the_value_of_the_course_is_unknown() -> None:
    deny = '[[deny]]\non = "lesson.completed"\nconditions = { f = [">= @window"] }\nreason = "too late"\n'
    assert play(WINDOW + deny + rule(), event(facts={"f": 86_400})) == ["ann held fact @window unknown"]


def checked(rules: str, seen: Event) -> list[tuple[str, str]]:
    """What each condition says it asked and saw."""
    return [(check.text, check.seen) for one in decide(rulebook(rules), [seen]) for check in one.checks]


def test_lengths_of_time_and_named_values_are_told_as_people_read_them() -> None:
    rules = WINDOW + rule(more='conditions = { since_enrolment = "<= @window" }\nonce_per = "event"')
    late = event(facts={"since_enrolment": 939, "course_shortname": "BIO101"})
    assert checked(rules, late) == [("since_enrolment <= @window (7d)", "15m 39s")]
    unknown = event(facts={"since_enrolment": 939})
    assert checked(rules, unknown) == [("since_enrolment <= @window", "15m 39s")]
    values = "[value.low]\ndefault = 1\n[value.high]\ndefault = 9\n"
    both = values + rule(more='conditions = { f = ["@low", "@high"] }')
    own = '[person]\nfacts = { quota = "q" }\n' + rule(more='conditions = { f = ">= @person_quota" }')
    assert checked(own, event(facts={"f": 9, "person_quota": "7.5"})) == [("f >= @person_quota (7.5)", "9")]
    assert checked(both, event(facts={"f": 9})) == [("f one of @low, @high (@high 9, @low 1)", "9")]


def test_conditions_can_look_at_what_the_observation_says_of_itself() -> None:
    rules = rule(more='conditions = { source = "moodle", course = 1, lesson = ["1", "2"] }')
    assert play(rules, event()) == ["ann +10 points"]
    assert play(rules, event(lesson="3")) == ["ann refused condition lesson one of 1, 2"]


def test_facts_that_are_equal_and_of_different_types_are_not_confused() -> None:
    rules = rule(more='conditions = { f = 1 }\nonce_per = "event"')
    assert play(rules, event(facts={"f": 1}), event(key="2", facts={"f": True}), event(key="3", facts={"f": "1"})) == [
        "ann +10 points",
        "ann refused condition f 1",
        "ann +10 points",
    ]


def test_a_thousand_different_values_are_judged_like_the_first() -> None:
    rules = rule(more='conditions = { f = ">=500" }\nonce_per = "event"')
    told = play(rules, *(event(key=str(n), facts={"f": n}) for n in range(1000)))
    assert told.count("ann +10 points") == 500
