"""The schema that editors check rules with: what may be written fits it, and what may not is found."""

from __future__ import annotations

import copy
import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from agent.config.document import FaultsError
from agent.config.rulefile import load_rules_text
from agent.config.rulefile.models import RulesPart
from agent.config.rulefile.schema import WRITTEN, rules_schema
from agent.config.rulefile.tables.challenge import EnrolCohorts
from tests.json_schema import faults
from tests.pages import rule_files
from tests.unit.config.test_rules_example import options

EXAMPLE = Path(__file__).parents[3] / "rules.example.toml"
PAGE = Path(__file__).parents[3] / "docs" / "admin" / "rules.md"
GOOD = r"""
schema = 1
timezone = "Africa/Johannesburg"
day_starts_at = "04:00"
week_starts_on = "monday"
[calendar]
closed = ["2026-12-24..2027-01-05", "2026-09-24"]
[defaults]
staff_earn = true
[period.sem1]
from = 2026-09-01
until = 2026-12-20
[currency.points]
expires_after = "365d"
decimals = 2
notice = "14d"
adjust_max = 500
[currency.reputation]
expires_after = "never"
[budget]
points = "50000/week"
[value.window]
default = "14d"
BIO101 = 7
[programme.onboarding]
courses = ["BIO101", "id:7"]
pass = 80
[person]
referrer = { profile_field = "referredby" }
[[level]]
name = "Newcomer"
currency = "reputation"
from = 0
[[kind]]
kind = "video.watched"
lms_event = '\mod_video\event\watched'
[[rule]]
id = "quiz-80"
on = ["quiz.submitted", '\mod_quiz\event\attempt_submitted']
conditions = { score_pct = ">=80", attempt = 1, any = [{ module = ["quiz", "lesson"] }, { passed = true }] }
award = [{ to = "referrer", points = 0.5 }, { to = "subject", points = 10, reputation = 1 }]
once_per = ["lesson", "day"]
frequency = 2
cooldown = "7d"
limit = ["3/day", { of = "60 points/30d", over = "trim", for = "referrer" }]
min_trust = "server_verified"
mode = "shadow"
active = { from = 2026-09-01, days = ["mon", "tuesday"], hours = "22:00-02:00", zone = "Europe/London" }
audience = { courses = ["BIO101", "id:7"], cohorts = ["pilot"] }
badge = "quiz-ace"
group = "learn"
tags = ["a"]
[[cap]]
limit = "200 points/sem1"
group = "learn"
[[deny]]
on = "forum.*"
conditions = { word_count = { is = "<3", if_unknown = "pass" } }
reason = "too short"
[[check]]
id = "burst"
velocity = "20/10m"
then = "hold"
[[check]]
id = "copied"
duplicate_text = { in = "forum", alike = 80 }
[[check]]
id = "nothing"
empty = true
[[check]]
id = "little"
empty = { words = 20, files = 1 }
[[case]]
name = "nothing"
events = [{ kind = "lesson.completed" }]
expect = [{ learner = "ann", points = 0 }]
"""
BROKEN = [
    ("schema = 1", "schema = 2"),
    ('timezone = "Africa/Johannesburg"', 'timezones = "Africa/Johannesburg"'),
    ('day_starts_at = "04:00"', 'day_starts_at = "25:00"'),
    ('week_starts_on = "monday"', "week_starts_on = 1"),
    ('closed = ["2026-12-24..2027-01-05", "2026-09-24"]', 'closed = ["Christmas"]'),
    ("staff_earn = true", 'staff_earn = "yes"'),
    ("from = 2026-09-01\nuntil", 'from = "September"\nuntil'),
    ('expires_after = "365d"', 'expires_after = "365 days"'),
    ("decimals = 2", "decimals = 9"),
    ('points = "50000/week"', 'points = "a lot"'),
    ('notice = "14d"', "notice = 14"),
    ("adjust_max = 500", "adjust_max = 0"),
    ("pass = 80", 'pass = "done"'),
    ("pass = 80", "pass = 101"),
    ('"referredby"', '"referred by"'),
    ('default = "14d"', 'default = "a fortnight"'),
    ('kind = "video.watched"', 'kind = "video"'),
    ('id = "quiz-80"', 'id = "Quiz 80"'),
    ('id = "quiz-80"\n', ""),
    ('attempt = 1, any = [{ module = ["quiz", "lesson"] }', 'attempt = [], any = [{ module = ["quiz", "lesson"] }'),
    ('to = "referrer", points = 0.5', 'to = "friend", points = 0.5'),
    ("frequency = 2", "frequency = 0"),
    ('cooldown = "7d"', 'cooldown = "soon"'),
    ('limit = ["3/day"', 'limit = ["three a day"'),
    ('over = "trim"', 'over = "cut"'),
    ('min_trust = "server_verified"', 'min_trust = "high"'),
    ('mode = "shadow"', 'mode = "silent"'),
    ('hours = "22:00-02:00"', 'hours = "evening"'),
    ('reason = "too short"', 'reason = ""'),
    ('velocity = "20/10m"', 'velocity = "20 a day"'),
    ('then = "hold"', 'then = "shout"'),
    ('{ in = "forum", alike = 80 }', '{ in = "forum", alike = 10 }'),
    ('{ in = "forum", alike = 80 }', '{ in = "wiki", alike = 80 }'),
    ("empty = true", 'empty = "yes"'),
    ("empty = { words = 20", "empty = { words = 0"),
    ('events = [{ kind = "lesson.completed" }]', "events = []"),
    ('tags = ["a"]', 'tags = ["a"]\ncolour = "red"'),
    ("schema = 1", "schema = true"),
    ('week_starts_on = "monday"', 'week_starts_on = "mond"'),
    ("from = 2026-09-01\nuntil", "from = 0\nuntil"),
    ("on = [\"quiz.submitted\", '\\mod_quiz\\event\\attempt_submitted']", "on = []"),
    ("points = 0.5 }", "points = -1 }"),
    ("points = 0.5 }", 'points = { off = "score_pct" } }'),
    ('cooldown = "7d"', 'cooldown = "0d"'),
    ('limit = ["3/day"', 'limit = ["0/day"'),
    ('badge = "quiz-ace"', 'requires = { levels = ["Newcomer"] }'),
    ('badge = "quiz-ace"', "requires = { level = 3 }"),
    ('badge = "quiz-ace"', 'requires = { balance = { currency = "points", at_least = 5, of = "all" } }'),
    ('badge = "quiz-ace"', 'requires = { balance = { currency = "points", at_least = 5, of = ["current"] } }'),
    ('badge = "quiz-ace"', 'requires = { count = { currency = "points", at_least = 5 } }'),
]
ALSO = [
    ('tags = ["a"]', 'tags = ["a"]\n[[badge]]\nid = "quiz-ace"\neffective = "2026-09-01"'),
    (
        'tags = ["a"]',
        'tags = ["a"]\n[[challenge]]\nid = "c"\ndeadline = "2026-09-01"\nstep = [{ on = "lesson.completed" }]',
    ),
    ('week_starts_on = "monday"', 'week_starts_on = "MON"'),
    ('points = "50000/week"', 'points = { of = "50000 points/week" }'),
    ('badge = "quiz-ace"', 'budget = { of = "500 points/day" }'),
    ('default = "14d"', 'default = "-2d"'),
    ('badge = "quiz-ace"', 'requires = { any_of = ["quiz-80", { rule = "quiz-80", at_least = 3, distinct = false }] }'),
]
"""What may be written instead of what stands in `GOOD`."""


def found(text: str) -> list[str]:
    schema = rules_schema()
    return list(faults(tomllib.loads(text), schema, schema))


def test_the_example_and_a_file_with_every_key_fit() -> None:
    load_rules_text(GOOD)
    assert found(GOOD) == []
    assert found(EXAMPLE.read_text()) == []


@pytest.mark.parametrize(("right", "wrong"), BROKEN, ids=[wrong.partition("\n")[0] or "no id" for _, wrong in BROKEN])
def test_what_does_not_load_does_not_fit_either(right: str, wrong: str) -> None:
    assert right in GOOD
    broken = GOOD.replace(right, wrong, 1)
    with pytest.raises(FaultsError):
        load_rules_text(broken)
    assert found(broken) != []


@pytest.mark.parametrize(("written", "too"), ALSO)
def test_what_loads_in_another_way_fits_too(written: str, too: str) -> None:
    assert written in GOOD
    load_rules_text(GOOD.replace(written, too, 1))
    assert found(GOOD.replace(written, too, 1)) == []


VALUES: list[Any] = [
    True, 0, 1, -1, 80, 10**12 + 1, Decimal("0.5"), "", "x", "X y", "points", "7d", "0d", " 7d", "3/day", " 3 / day ",
    "3 points/day", "0/day", "20/10m", date(2026, 9, 1), "08:00", "08:00-18:00", "monday", "MON", "Mond", ">=80",
    "1..5", [], ["x"], [1], {}, {"points": 5}, {"points": -1}, {"x": 1}, {"of": "3/day"}, {"level": "Regular"}, "week",
    "sem1", "ever", "always", "10x usual", "live", "hold", "points earned", "quiz.submitted", "forum.*", "id:7",
    "0 8 * * MON",
]  # fmt: skip
EVERY_KEY = tomllib.loads(rule_files(PAGE)[0], parse_float=Decimal)
"""The manual's page of rules, which has each table with each of its keys."""


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of everything in a document."""
    keys: list[Any] = [*value] if isinstance(value, dict) else [*range(len(value))] if isinstance(value, list) else []
    return [path for key in keys for path in ((*at, key), *places(value[key], (*at, key)))]


def replaced(document: Any, at: tuple[str | int, ...], value: Any) -> Any:
    """The document with another value in one place."""
    found = copy.copy(document)
    found[at[0]] = value if len(at) == 1 else replaced(document[at[0]], at[1:], value)
    return found


PLACES = places(EVERY_KEY)
SCHEMA = rules_schema()


@given(st.sampled_from(PLACES), st.sampled_from(VALUES))
@settings(max_examples=100, deadline=None)
def test_an_editor_marks_nothing_that_the_rules_may_say(at: tuple[str | int, ...], value: Any) -> None:
    document = replaced(EVERY_KEY, at, value)
    try:
        RulesPart.model_validate(document)
    except ValidationError:
        return
    assert list(faults(document, SCHEMA, SCHEMA)) == []


def test_a_rule_that_gives_nothing_does_not_fit() -> None:
    assert found('[[rule]]\nid = "r"\non = "lesson.completed"\n') != []


def test_every_key_that_a_function_reads_says_what_can_be_written() -> None:
    told = rules_schema()
    rule = told["$defs"]["Rule"]["properties"]
    assert [key for key, one in rule.items() if not one] == []
    assert all(WRITTEN.values())
    assert "title" in rule
    accepting_all = [
        f"{model}.{key}"
        for model, one in told["$defs"].items()
        for key, accepted in one.get("properties", {}).items()
        if not accepted
    ]
    assert accepting_all == []
    assert told["$defs"]["Active"]["properties"]["from"] == {"type": "string", "format": "date"}


def test_the_schema_knows_exactly_the_keys_of_every_table() -> None:
    told = rules_schema()
    described = {"RulesPart": told, **told["$defs"]}
    read: set[type[BaseModel]] = set()
    assert set(options(RulesPart, read))
    assert len(read) > 30
    assert {model.__name__ for model in read} - set(described) == {"EnrolCohorts"}, "written out where it stands"
    assert "cohorts" in str(described["Challenge"]["properties"]["enrol"])
    for model in read - {EnrolCohorts}:
        keys = {field.alias or name for name, field in model.model_fields.items()}
        assert set(described[model.__name__]["properties"]) == keys, model.__name__
