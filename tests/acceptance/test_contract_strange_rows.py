"""Rows that no Moodle should write and some do: the agent goes on, and says of each what became of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.campus import Campus, campus
from tests.sites import LOGGED_IN, SqliteSite, log

RULES = r"""
schema = 1
timezone = "Europe/London"

[[kind]]
kind = "wiki.edited"
lms_event = '\mod_wiki\event\page_updated'

[[rule]]
id = "login"
on = "user.logged_in"
award = 1
once_per = "event"
"""
AT = 1_794_000_000


@pytest.fixture
def agent(tmp_path: Path) -> Campus:
    """A campus whose log holds a time in milliseconds, the latest and an impossibly early time, and an ordinary row."""
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 1, eventname=LOGGED_IN, userid=5001, timecreated=AT * 1000)
    log(site, 2, eventname=LOGGED_IN, userid=5001, timecreated=2**63 - 1)
    log(site, 3, eventname=LOGGED_IN, userid=5001, timecreated=-(2**60))
    log(site, 4, eventname=LOGGED_IN, userid=5001, timecreated=AT)
    return campus(tmp_path / "a", f"sqlite:///{site.path}", RULES)


def test_times_that_no_calendar_knows_stop_nothing_and_are_explained(agent: Campus) -> None:
    agent.catch_up()
    assert [(row["learner"], row["occurred_at"]) for row in agent.export()] == [
        ("moodle:5001", "2026-11-06T21:20:00Z")
    ]  # fmt: skip
    for number in (1, 2, 3):
        assert "no time that a calendar knows" in agent.command("events", "explain", f"moodle:{number}").stdout
    for words in (("doctor",), ("status",), ("source", "accept-rewind", "moodle"), ("events", "list")):
        done = agent.command(*words, check=False)
        assert "Traceback" not in done.stderr, words


def test_the_facts_of_a_kind_that_the_rules_add_are_listed(agent: Campus) -> None:
    assert {fact["kind"] for fact in agent.json("rules", "facts", "wiki.edited")} == {"wiki.edited"}
    agent.command("rules", "schema")
