"""`badge …` and what `learner show` says of badges, levels and tiers, as an administrator types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpdesk import RULES, Desk, filled

MORE = """
[[badge]]
id = "starter"
name = "Starter"
emoji = "🌱"
category = "onboarding"

[[badge]]
id = "writer"
name = "Writer"
description = "Three posts and a lesson"
all_of = ["lesson", { rule = "post", at_least = 3 }]

[[badge]]
id = "nominee"
assign = { by = ["desk"], limit = "1/month" }

[[badge]]
id = "rising"
balance = { currency = "points", at_least = 11 }

[[rule]]
id = "bonus"
on = "lesson.completed"
award = 1
requires = { badges = ["starter"] }

[[tier]]
name = "Bronze"
from = 10
perk = "a mug"

[[tier]]
name = "Silver"
from = 20
requires = { badges = ["nominee"] }
visible = "next"
"""


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus with badges that came later; only looked at."""
    desk = filled(tmp_path_factory.mktemp("badges") / "campus")
    (desk.directory / "rules.toml").write_text(RULES + MORE)
    return desk


@pytest.fixture
def own(campus: Desk, tmp_path: Path) -> Desk:
    """A copy to write in."""
    return campus.copy(tmp_path / "campus")


def test_a_badge_is_listed_with_what_gives_it_and_how_many_have_it(campus: Desk) -> None:
    assert [(row["id"], row["given_by"], row["held"]) for row in campus.json("badge", "list")] == [
        ("starter", "rule starter", 1),
        ("writer", "criteria", 0),
        ("nominee", "hand", 0),
        ("rising", "criteria", 0),
    ]


def test_a_badge_is_shown_with_what_earns_it_and_who_has_it(campus: Desk) -> None:
    shown = campus.json("badge", "show", "starter")
    assert (shown["name"], shown["held"]) == ("🌱 Starter", 1)
    assert shown["holders"] == [
        {"learner": "moodle:35", "since": "2026-09-07T07:00:00Z", "rule_id": "starter", "reason": ""}
    ]
    assert campus.json("badge", "show", "writer")["earned_by"] == "an award of lesson and 3 awards of post"
    wrong = campus.command("badge", "show", "stater", check=False)
    assert wrong.returncode == 1
    assert "there is no badge 'stater'" in wrong.stderr


def test_a_learner_sees_levels_tiers_and_badges_and_what_is_lacking(campus: Desk) -> None:
    shown = campus.json("learner", "show", "ann")["recognition"]
    assert shown["levels"] == [{"currency": "points", "level": "Regular", "next": None}]
    assert shown["tier"] == "Bronze"
    assert shown["next_tier"]["lacks"] == "11 of 20 points earned in all; the badge nominee: not yet"
    assert [badge["title"] for badge in shown["badges"]] == ["🌱 Starter"]
    assert {badge["id"]: badge["lacks"] for badge in shown["to_come"]} == {
        "writer": "1 of 3 awards of post",
        "rising": "nothing: it comes with the next award",
    }
    told = campus.command("learner", "show", "ann").stdout
    assert "badges: 🌱 Starter" in told
    assert "tier Bronze: a mug" in told
    assert "badge to come, Writer: 1 of 3 awards of post" in told
    assert "next tier Bronze: 0 of 10 points" in campus.command("learner", "show", "moodle:37").stdout


def test_what_a_rule_requires_is_told_of_acts_that_were_not_decided(campus: Desk) -> None:
    def why(who: str, day: str) -> str:
        (answer,) = campus.json("learner", "why", who, "--on", day, "--rule", "bonus")["rules"]
        return str(answer["sentence"])

    assert why("ann", "2026-09-12") == "bonus would give moodle:35 1 point."
    assert why("ben", "2026-09-10") == "bonus would give moodle:36 nothing: requires the badge Starter: not yet."


def test_badges_are_given_taken_and_settled_from_the_command_line(own: Desk) -> None:
    assert own.json("badge", "settle", "--preview") == {"done": False, "given": {"rising": 1}, "taken": {}}
    assert own.json("badge", "settle") == {"done": True, "given": {"rising": 1}, "taken": {}}
    told = own.command("badge", "assign", "nominee", "--learner", "ben", "--by", "desk", "--message", "an idea")
    assert told.stdout == "entry 7: moodle:36 has the badge nominee\n"
    again = own.command("badge", "assign", "nominee", "--learner", "ann", "--by", "desk", check=False)
    assert again.returncode == 1
    assert "limit 1/month of desk" in again.stderr
    assert own.json("badge", "show", "nominee")["holders"][0]["reason"] == "given by hand: an idea (by desk)"
    taken = own.json("badge", "revoke", "nominee", "--learner", "moodle:36", "--by", "desk", "--reason", "not his")
    assert taken["seq"] == 8
    assert own.json("badge", "show", "nominee")["held"] == 0
    assert own.json("ledger", "list", "--currency", "badge:nominee")[0]["reason"] == "not his (by desk)"
    assert own.json("ledger", "verify")["ok"] is True
