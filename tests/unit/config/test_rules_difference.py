"""Two sets of rules beside each other: what differs in meaning is told in plain words, and nothing else."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

from agent.config.rulefile import RuleFile, load_rules, load_rules_text
from agent.config.rulefile.difference import Difference, differences
from agent.config.rulefile.inline import inline

HEAD = 'schema = 1\ntimezone = "UTC"\n'
LESSON = '[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 10\n'
QUIZ = '[[rule]]\nid = "quiz"\non = "quiz.submitted"\nconditions = { score_pct = ">=80" }\naward = { points = 10 }\n'


def file(text: str) -> RuleFile:
    return load_rules_text(HEAD + text)


def told(old: str, new: str) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(one.what, one.name, one.change, one.details) for one in differences(file(old), file(new))]


def test_spelling_comments_and_defaults_that_are_written_out_are_no_difference() -> None:
    other = '# a comment\n[[rule]]\nid = "lesson"\non = ["lesson.completed"]\naward = { points = 10 }\nmode = "live"\n'
    assert told(LESSON, other) == []


def test_rules_that_came_and_went_say_what_they_are() -> None:
    assert told(LESSON, QUIZ) == [
        (
            "rule",
            "quiz",
            "added",
            ('on "quiz.submitted"', 'conditions { score_pct = ">=80" }', "award { points = 10 }"),
        ),
        ("rule", "lesson", "removed", ('on "lesson.completed"', "award 10")),
    ]


def test_a_changed_rule_is_told_field_by_field() -> None:
    changed = QUIZ.replace(">=80", ">=85").replace("points = 10", "points = 15") + 'limit = "3/day"\n'
    assert told(QUIZ, changed) == [
        (
            "rule",
            "quiz",
            "changed",
            (
                "award points is now 15, was 10",
                'conditions score_pct is now ">=85", was ">=80"',
                'limit is now "3/day", was left out',
            ),
        )
    ]
    assert told(changed, QUIZ)[0][3][2] == 'limit is now left out, was "3/day"'


def test_another_once_per_says_that_its_scopes_begin_empty() -> None:
    (said,) = told(LESSON, LESSON + 'once_per = "ever"\n')[0][3]
    assert said == (
        'once_per is now "ever", was left out: its scopes begin empty, what was paid before counts in limits alone'
    )


def test_another_order_of_the_rules_is_told_because_caps_are_consumed_in_it() -> None:
    assert told(LESSON + QUIZ, QUIZ + LESSON) == [
        ("setting", "order of the rules", "moved", ("now quiz, lesson", "was lesson, quiz"))
    ]


def test_settings_tables_and_lists_are_compared_too() -> None:
    old = '[currency.points]\nworth = "0.01 GBP"\n' + LESSON + '[[cap]]\nlimit = "100 points/week"\n'
    new = (
        'day_starts_at = "04:00"\n[currency.points]\nworth = "0.02 GBP"\n[budget]\npoints = "500/week"\n'
        + LESSON
        + '[[cap]]\nlimit = "90 points/week"\n'
    )
    assert told(old, new) == [
        ("setting", "day_starts_at", "changed", ("it is now 14400, was 0",)),
        ("currency", "points", "changed", ('worth is now "0.02 GBP", was "0.01 GBP"',)),
        ("budget", "points", "added", ('["500 points/week"]',)),
        ("cap", "", "added", ('{ limit = "90 points/week" }',)),
        ("cap", "", "removed", ('{ limit = "100 points/week" }',)),
    ]


def test_what_stands_beside_rules_is_told_by_its_name() -> None:
    programme = '[programme.onboarding]\ncourses = ["A", "B"]\npass = 80\n'
    assert told(programme + LESSON, programme.replace("80", "75") + LESSON) == [
        ("programme", "onboarding", "changed", ("pass is now 75, was 80",))
    ]
    field = '[person]\nreferrer = { profile_field = "referredby" }\n'
    assert [one[:3] for one in told(LESSON, field + LESSON)] == [("person", "referrer", "added")]


def test_the_example_differs_from_itself_in_nothing_and_from_less_in_what_is_taken_away() -> None:
    example = load_rules((Path(__file__).parents[3] / "rules.example.toml",))
    assert differences(example, load_rules_text(example.text)) == ()
    found = differences(example, file(LESSON))
    assert {one.name for one in found if one.what == "rule"} == {placed.it.id for placed in example.rules} | {"lesson"}
    zone = ('it is now "UTC", was "Africa/Johannesburg"',)
    assert Difference(what="setting", name="timezone", change="changed", details=zone) in found


def test_every_value_reads_back_as_it_was() -> None:
    values = {
        "lms": r"\mod_quiz\event\attempt_submitted",
        "odd key": 'a "quoted"\ttext\x7f',
        "n": Decimal("0.25"),
        "yes": True,
        "day": date(2026, 9, 1),
        "list": [1, {"a": "b'\\"}],
        "empty": {},
    }
    assert tomllib.loads(f"x = {inline(values)}", parse_float=Decimal)["x"] == values
