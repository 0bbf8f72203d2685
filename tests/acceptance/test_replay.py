"""`events replay`: recorded events decided again by mended rules; what was paid stands, nothing is paid twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests import servers
from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_backfill import complete, paid
from tests.acceptance.test_capture import RULES as CAPTURE_RULES
from tests.acceptance.test_simulate import DAY, FIRST, content
from tests.sites import SqliteSite, log, put

HEAD = 'schema = 1\ntimezone = "UTC"\n'
LESSON = '[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 10\nlimit = "3/day"\n'
SURE = '[[rule]]\nid = "sure"\non = "user.logged_in"\naward = 1\n'
ASKS = 'conditions = { word_count = { is = ">=0", if_unknown = "hold" } }\n'
FIRST_PAID = {("lesson", "moodle:35"): 30, ("lesson", "moodle:36"): 10}


@pytest.fixture
def at(tmp_path: Path) -> Campus:
    """Five lessons of one learner in a day, one of another, and a sign-in."""
    site = SqliteSite(tmp_path / "moodle.db")
    for user in (35, 36):
        put(site, "user", id=user, username=f"u{user}", deleted=0, idnumber="", firstname="A", lastname="B", email="")
    for n in range(1, 7):
        complete(site, n, *((35, FIRST + n) if n < 6 else (36, FIRST + DAY)))
    log(site, 7, eventname=r"\core\event\user_loggedin", userid=35, timecreated=FIRST + DAY + 9)
    made = campus(tmp_path / "campus", f"sqlite:///{site.path}", HEAD + LESSON + SURE + ASKS)
    made.catch_up()
    return made


def rules(at: Campus, text: str) -> None:
    (at.directory / "rules.toml").write_text(HEAD + text)


def test_a_mended_rule_pays_what_it_refused_once_and_a_look_changes_nothing(at: Campus) -> None:
    assert paid(at) == FIRST_PAID
    rules(at, LESSON.replace("3/day", "4/day"))
    before = content(at.directory)
    told = at.json("events", "replay", "--kind", "lesson.*")
    assert content(at.directory) == before
    assert (told["done"], told["events"], told["awarded"], told["refused"], told["stood"]) == (False, 6, 1, 1, 4)
    assert told["paid"] == {"points": "10"}
    changes = [(one["log"], one["learner"], one["rule"], one["before"], one["now"]) for one in told["changes"]]
    assert changes == [
        ("moodle:4", "moodle:35", "lesson", "refused: limit 3/day", "awarded"),
        ("moodle:5", "moodle:35", "lesson", "refused: limit 3/day", "refused: limit 4/day"),
    ]
    assert at.json("events", "replay", "--learner", "moodle:36")["events"] == 1
    assert at.json("events", "replay", "--source", "nobody")["events"] == 0
    (only,) = at.json("events", "replay", "--id", told["changes"][0]["event_id"][:12])["changes"]
    assert only["log"] == "moodle:4"
    assert at.json("events", "replay", "--kind", "lesson.*", "--yes", "--by", "Ada") == {**told, "done": True}
    assert paid(at) == {**FIRST_PAID, ("lesson", "moodle:35"): 40}
    again = at.json("events", "replay", "--yes")
    assert (again["awarded"], again["refused"], again["paid"], again["changes"]) == (0, 0, {}, [])
    at.catch_up()
    assert paid(at) == {**FIRST_PAID, ("lesson", "moodle:35"): 40}
    at.command("ledger", "verify")


def test_what_waits_for_a_fact_is_decided_by_the_mended_rule_and_waits_no_longer(at: Campus) -> None:
    assert [one["rule_id"] for one in at.json("review", "list")] == ["sure"]
    rules(at, LESSON + SURE + ASKS + 'message = "asks for the same"\n')
    same = at.json("events", "replay", "--rule", "sure", "--yes")
    assert (same["held"], same["stood"], same["changes"]) == (0, 1, [])
    rules(at, LESSON + SURE)
    told = at.json("events", "replay", "--rule", "sure", "--yes")
    assert [(one["before"].partition(":")[0], one["now"]) for one in told["changes"]] == [("held", "awarded")]
    assert paid(at) == {**FIRST_PAID, ("sure", "moodle:35"): 1}
    assert at.json("review", "list") == []
    at.command("ledger", "verify")


def test_other_rules_are_only_tried(at: Campus) -> None:
    tried = at.directory / "tried.toml"
    tried.write_text(HEAD + LESSON.replace("3/day", "5/day"))
    before = content(at.directory)
    told = at.json("events", "replay", "--rules", str(tried))
    assert told["paid"] == {"points": "20"}
    refused = at.command("events", "replay", "--rules", str(tried), "--yes", check=False)
    assert (refused.returncode, "--rules only looks" in refused.stderr) == (1, True)
    assert content(at.directory) == before
    assert paid(at) == FIRST_PAID


def test_a_replay_after_shadow_mode_pays_of_the_capture_what_would_have_been_paid_live(
    shared_capture: servers.MariaDatabase, tmp_path: Path
) -> None:
    live, shadow = (campus(tmp_path / name, shared_capture, CAPTURE_RULES) for name in ("live", "shadow"))
    (shadow.directory / "rules.toml").write_text(CAPTURE_RULES.replace("\naward =", '\nmode = "shadow"\naward ='))
    live.catch_up()
    shadow.catch_up()
    assert shadow.export() == []
    (shadow.directory / "rules.toml").write_text(CAPTURE_RULES)
    told = shadow.json("events", "replay", "--yes", "--show", "3")
    assert len(told["changes"]) == 3
    expected = live.export()
    assert Counter(map(_what, shadow.export())) == Counter(map(_what, expected))
    assert told["awarded"] == len({(row["event_id"], row["rule_id"], row["learner"]) for row in expected})
    assert shadow.json("events", "replay", "--yes")["awarded"] == 0
    assert shadow.json("ledger", "verify")["findings"] == []


def _what(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("occurred_at", "learner", "rule_id", "currency", "amount", "event_id", "trust"))


def test_what_an_account_did_before_it_was_merged_is_paid_to_whoever_it_is_now(at: Campus) -> None:
    at.command("learner", "merge", "moodle:36", "moodle:35", "--reason", "one person", "--by", "Ada")
    rules(at, LESSON + '[[rule]]\nid = "later"\non = "lesson.completed"\naward = 1\n')
    told = at.json("events", "replay", "--learner", "moodle:35", "--rule", "later", "--yes")
    assert (told["events"], told["awarded"], {one["learner"] for one in told["changes"]}) == (7, 6, {"moodle:35"})
    assert paid(at)["later", "moodle:35"] == 6
