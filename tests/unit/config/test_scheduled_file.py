"""`[[scheduled]]` as it is written: faults with their places, warnings, and what rules explain says."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.document import FaultsError
from agent.config.rulefile import load_rules_text
from agent.config.rulefile.across.scheduled import hasty
from agent.config.rulefile.difference import differences
from agent.config.settings import load_settings
from agent.engine.schedule.telling import sentences
from tests.rule_stories import rulebook

HEAD = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "r"\non = "lesson.completed"\naward = 1\ngroup = "learn"\n'


def one(more: str, every: str = 'every = "week"') -> str:
    """A file with one [[scheduled]], which begins in line 8."""
    return f'{HEAD}[[scheduled]]\nid = "s"\n{every}\n{more}\n'


RANK = "rank = {}\nplaces = [5]"
TERMS = "[period.sem1]\nfrom = 2026-09-01\nuntil = 2026-12-20\n[period.sem2]\nfrom = 2027-01-10\nuntil = 2027-06-30\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (one("places = [5]"), "scheduled 's' needs one of rank, attendance, anniversary, inactivity, draw"),
        (one(RANK, ""), "scheduled 's' needs `every` or `cron`"),
        (one(RANK, 'every = "week"\ncron = "0 0 * * *"'), "scheduled 's' has `every` and `cron`"),
        (one("rank = {}"), "scheduled 's': a ranking has `places`"),
        (one("rank = {}\nplaces = []"), "places are a list with a prize for each"),
        (one("rank = {}\nplaces = [5]\naward = 5"), "scheduled 's': a ranking has `places`"),
        (one("rank = {}\nplaces = [{ pionts = 5 }]"), "unknown currency 'pionts'"),
        (one('rank = { by = "gold earned" }\nplaces = [5]'), "unknown currency 'gold'"),
        (one('rank = { by = "acts with lesson.compelted" }\nplaces = [5]'), "unknown kind 'lesson.compelted'"),
        (one('rank = { by = "most" }\nplaces = [5]'), "'most' is nothing to compare by"),
        (one('rank = { group = "lern" }\nplaces = [5]'), "no rule is in group 'lern'"),
        (one(RANK, 'every = "fortnight"'), "unknown window 'fortnight'"),
        (one("anniversary = { years = [] }\naward = 5"), "`years`: must not be empty"),
        (one(f'{RANK}\nsettle = "0h"'), "'0h' is no time at all"),
        (one(RANK, 'every = "ever"'), "'ever' never ends"),
        (one(RANK, 'cron = "0 25 * * *"'), "'0 25 * * *' is not a cron line"),
        (one(RANK, 'cron = "99 * * * *"'), "the minute cannot be '99'"),
        (one(RANK, 'cron = "0 18 * * FRY"'), "the weekday cannot be 'FRY'"),
        (one(RANK, 'cron = "@daily"'), "'@daily' is not a cron line"),
        (one(RANK, 'cron = "0 0 30 2 *"'), "'0 0 30 2 *' never fires"),
        (one(RANK).replace('id = "s"', 'id = "r"'), "'r' stands in rules.toml:3 already"),
        (one("rank = {}\nplaces = [0.5]"), "points has 0 decimals"),
        (one('attendance = { of = "lesson.completed" }\naward = 5'), "attendance counts days or weeks"),
        (one('attendance = { of = "lesson.completed", days = 2 }'), "scheduled 's' gives nothing"),
        (one("draw = { winners = 2 }\nplaces = [5]"), "a place for each winner"),
        (one('award = [{ to = "referrer", points = 5 }]\ndraw = { winners = 1 }'), "what is scheduled pays the one"),
    ],
)
def test_every_fault_is_told_at_its_place(text: str, told: str) -> None:
    with pytest.raises(FaultsError) as caught:
        load_rules_text(text)
    assert any(told in fault.message for fault in caught.value.faults), [str(fault) for fault in caught.value.faults]
    assert all(fault.line >= 3 for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            one('draw = { winners = 1, seed = "chain" }\naward = 5'),
            "this draw can be steered by whoever runs the agent",
        ),
        (one('rank = { by = "sum of nonsense in lesson.completed" }\nplaces = [5]'), "no source supplies nonsense"),
        (one('inactivity = { for = "14d" }'), "nobody is told anything"),
        (one(f"{RANK}\nconditions = {{ score_pct = 80 }}"), "`conditions` can never act"),
        (
            one('attendance = { of = "lesson.completed", days = 2 }\naward = 5\nconditions = { scor_pct = 80 }'),
            "no source supplies a fact 'scor_pct'",
        ),
        (one('rank = {}\nplaces = [{ badge = "gld" }]\n[[badge]]\nid = "gold"'), "no [[badge]] has the id 'gld'"),
        (one(f'{RANK}\nover = "week"', 'every = "day"'), "the same week is decided and paid by several runs"),
        (one(f'{RANK}\nover = "year"', 'every = "month"'), "the same year is decided and paid by several runs"),
        (one(f'{RANK}\nover = "week"', 'cron = "0 8 * * MON,THU"'), "the same week is decided and paid by several"),
        (one(f'{RANK}\nover = "day"', 'cron = "0 8,18 * * *"'), "the same day is decided and paid by several runs"),
        (one(f'{RANK}\nover = "month"', 'cron = "0 0 1,2 1 *"'), "the same month is decided and paid by several"),
        (one('inactivity = { for = "7d" }\nmessage = "x"\nover = "week"'), "`over` can never act"),
        (one('anniversary = {}\naward = 5\nover = "ever"'), "`over` can never act"),
        (one('attendance = { of = "user.logged_in", days = 8 }\naward = 5'), "a week has no 8 days"),
        (one('attendance = { of = "user.logged_in", weeks = 2 }\naward = 5', 'every = "day"'), "a day has no 2 weeks"),
        (
            one('attendance = { of = "user.logged_in", days = 32 }\naward = 5\nover = "month"', 'cron = "0 8 2 * *"'),
            "a month has no 32 days",
        ),
        (one(f'{RANK}\nover = "sem2"\n{TERMS}', 'every = "sem1"'), "this looks at no time at all"),
    ],
)
def test_what_is_probably_not_meant_is_told(text: str, told: str) -> None:
    assert any(told in warning.message for warning in load_rules_text(text).warnings)


@pytest.mark.parametrize(
    "text",
    [
        one(f'{RANK}\nover = "week"', 'cron = "0 18 * * FRI"'),
        one('rank = { by = "sum of amount in sale.made" }\nplaces = [5]\n[[kind]]\nkind = "sale.made"'),
        one(f'{RANK}\nover = "day"', 'every = "week"'),
        one(f'{RANK}\nover = "7d"', 'every = "day"'),
        one(f'{RANK}\nover = "year"', 'cron = "0 0 2 1 *"'),
        one(f'{RANK}\nover = "sem1"\n{TERMS}', 'every = "sem1"'),
        one(f'{RANK}\nover = "sem1"\n{TERMS}', 'every = "sem2"'),
        one('draw = { winners = 1 }\naward = 5\nover = "week"', 'every = "day"'),
        one(f'{RANK}\nover = "week"\nmode = "off"', 'every = "day"'),
    ],
)
def test_runs_that_each_find_something_new_are_left_alone(text: str) -> None:
    assert [str(warning) for warning in load_rules_text(text).warnings] == []


def test_absence_and_anniversaries_look_at_what_is_since_the_run_before_whatever_over_says() -> None:
    for more in ('inactivity = { for = "7d" }\nmessage = "x"', "anniversary = {}\naward = 5"):
        book = rulebook(one(f'{more}\nover = "ever"', 'every = "day"'))
        span = book.scheduled[0].timetable.span(1_790_000_640)
        assert (span.end - span.begin) == 86_400 - 86_400 + (1_790_000_640 % 86_400)


def test_a_settle_shorter_than_what_sources_may_take_is_told(tmp_path: Path) -> None:
    rules, config = one(f'{RANK}\nsettle = "10m"'), tmp_path / "config.toml"
    (tmp_path / "rules.toml").write_text(rules)
    config.write_text(
        '[agent]\ncampus = "c"\ndata_dir = "d"\n[[source]]\nname = "moodle"\nkind = "moodle-logstore"\n'
        'url = "sqlite:///x"\n'
    )
    found = [str(fault) for fault in hasty(load_rules_text(rules), load_settings(config))]
    assert ["gap_patience" in found[0], "backdated_after" in found[1]] == [True, True]
    assert not list(hasty(load_rules_text(one(RANK)), load_settings(config)))


def test_it_is_told_in_plain_sentences() -> None:
    book = rulebook(one('rank = { by = "points earned", at_least = 20 }\nplaces = [50, 30]\nmode = "shadow"'))
    assert sentences(book.scheduled[0], book) == (
        "s: at the end of each week, over that week, decided 36h later.",
        "Ranks by points earned, at least 20: 1. 50 points; 2. 30 points.",
        "Who ties for a place has its prize each, and as many places after it are passed over.",
        "Its prizes do not count into rankings.",
        "Decides and reports, pays nothing.",
    )
    for more in (
        'attendance = { of = "user.logged_in", weeks = 2 }\naward = 5',
        "anniversary = { years = [1] }\naward = 5",
        'inactivity = { for = "14d" }\nmessage = "x."',
        'draw = { winners = 2, tickets = 5 }\naward = 5\nover = "ever"',
        'draw = { winners = 1, seed = "chain" }\naward = 5\nover = "7d"',
    ):
        book = rulebook(one(more, 'cron = "0 18 * * FRI"'))
        assert all(said.endswith(".") for said in sentences(book.scheduled[0], book))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('anniversary = {}\nover = "ever"', "s: at the end of each week, over that week, decided"),
        (
            "anniversary = { years = [1] }",
            "Whose first act is 1 year ago to the day gets 5 points, once for each year.",
        ),
        ('anniversary = { of = "enrolment", years = [1, 5] }', "Whose enrolment is 1 or 5 years ago to the day gets 5"),
        ("anniversary = {}", "Whose first act is whole years ago to the day gets 5 points"),
        ('anniversary = {}\naudience = { cohorts = ["pilot"] }', "For cohorts pilot."),
        ('anniversary = {}\nrecipient = "actor"', "An act counts for its actor."),
        (
            'anniversary = {}\nmin_trust = "server_verified"',
            "An act believed less than server_verified does not count.",
        ),
        ('anniversary = {}\nmessage = "{years} years"', "Says to the learner: {years} years"),
        ('anniversary = {}\ngroup = "prizes"\ntags = ["weekly"]', "Counts among group prizes and tags weekly."),
        ('anniversary = {}\nbudget = "9 points/day"', "Stops at budget 9 points/day of s; what goes over is held"),
    ],
)
def test_all_of_a_scheduled_reward_is_told(more: str, told: str) -> None:
    book = rulebook(one(f"{more}\naward = 5"))
    assert [said for said in sentences(book.scheduled[0], book) if said.startswith(told)]


def test_a_change_is_told_by_rules_diff() -> None:
    old, new = load_rules_text(one(RANK)), load_rules_text(one("rank = {}\nplaces = [7]"))
    assert [(one.what, one.name, one.change, one.details) for one in differences(old, new)] == [
        ("scheduled", "s", "changed", ("places is now [7], was [5]",))
    ]


def test_a_scheduled_reward_asks_the_sources_for_what_it_looks_at() -> None:
    book = rulebook(one('attendance = { of = "user.logged_in", days = 2 }\naward = 5'))
    assert r"\core\event\user_loggedin" in book.demand.names
    off = rulebook(one('attendance = { of = "user.logged_in", days = 2 }\naward = 5\nmode = "off"'))
    assert off.scheduled == ()
