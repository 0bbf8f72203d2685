"""`rules backfill`: a rule that came later pays for what was before, once, and nothing that was paid is touched."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.campus import Campus, campus, kill, wait_until
from tests.acceptance.test_simulate import COMPLETED, DAY, FIRST, content
from tests.sites import SqliteSite, log, put

HEAD = 'schema = 1\ntimezone = "UTC"\n'
LESSON = '[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 10\nlimit = "3/day"\n'
LATER = '[[rule]]\nid = "course-work"\non = "lesson.completed"\naward = 2\nonce_per = "day"\n'
LOGIN = '[[rule]]\nid = "login"\non = "user.logged_in"\naward = 1\n'
SINCE = ("--since", "2026-11-01", "--by", "Ada")


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    """One learner completed five lessons in a day and logged in; another a lesson the day after."""
    made = SqliteSite(tmp_path / "moodle.db")
    for user in (35, 36):
        put(made, "user", id=user, username=f"u{user}", deleted=0, idnumber="", firstname="A", lastname="B", email="")
    for n in range(1, 7):
        complete(made, n, *((35, FIRST + n) if n < 6 else (36, FIRST + DAY)))
    log(made, 7, eventname=r"\core\event\user_loggedin", userid=35, timecreated=FIRST + DAY + 9)
    return made


def complete(site: SqliteSite, n: int, user: int, when: int) -> None:
    done = {"eventname": COMPLETED, "objecttable": "course_modules_completion", "contextlevel": 70}
    who = {"relateduserid": user, "userid": user, "timecreated": when}
    log(site, n, objectid=n, contextinstanceid=n, other='{"completionstate":1}', **done, **who)


@pytest.fixture
def at(tmp_path: Path, site: SqliteSite) -> Campus:
    """A campus that has caught up under the first rule alone."""
    made = campus(tmp_path / "campus", f"sqlite:///{site.path}", HEAD + LESSON, extra="poll_interval_s = 0.1")
    made.catch_up()
    return made


def rules(at: Campus, text: str) -> None:
    (at.directory / "rules.toml").write_text(HEAD + text)


def paid(at: Campus) -> Counter[tuple[str, str]]:
    sums = Counter[tuple[str, str]]()
    for row in at.export():
        sums[row["rule_id"], row["learner"]] += int(row["amount"])
    return sums


FIRST_PAID = {("lesson", "moodle:35"): 30, ("lesson", "moodle:36"): 10}


def test_a_later_rule_pays_for_what_was_recorded_once_and_a_preview_only_looks(at: Campus) -> None:
    rules(at, LESSON + LATER)
    before = content(at.directory)
    words = ("rules", "backfill", "--rule", "course-work", *SINCE)
    told = at.json(*words)
    assert content(at.directory) == before
    expected = {"events": 6, "awarded": 2, "held": 0, "refused": 4, "reversed": 0, "stood": 0, "compensated": 0}
    assert told == {"done": False, "rule": "course-work", **expected, "paid": {"points": "4"}}
    assert at.json(*words, "--yes") == {**told, "done": True}
    both = {**FIRST_PAID, ("course-work", "moodle:35"): 2, ("course-work", "moodle:36"): 2}
    assert paid(at) == both
    again = at.json(*words, "--yes")
    assert (again["awarded"], again["stood"], again["paid"]) == (0, 6, {})
    at.catch_up()
    assert paid(at) == both
    at.command("ledger", "verify")


def test_who_is_deleted_by_now_gets_nothing_for_what_was_before(at: Campus, site: SqliteSite) -> None:
    log(site, 8, eventname=r"\core\event\user_deleted", userid=2, relateduserid=36, timecreated=FIRST + 2 * DAY)
    at.catch_up()
    rules(at, LESSON + LATER)
    at.json("rules", "backfill", "--rule", "course-work", *SINCE, "--yes")
    assert paid(at) == {**FIRST_PAID, ("course-work", "moodle:35"): 2}


def test_what_an_older_version_refused_is_decided_anew(at: Campus) -> None:
    rules(at, LESSON.replace("3/day", "4/day"))
    told = at.json("rules", "backfill", "--rule", "lesson", *SINCE, "--yes")
    assert (told["awarded"], told["refused"], told["stood"]) == (1, 1, 4)
    assert paid(at) == {**FIRST_PAID, ("lesson", "moodle:35"): 40}
    assert at.json("rules", "backfill", "--rule", "lesson", *SINCE, "--yes")["awarded"] == 0


def test_what_was_only_tried_is_paid_by_the_act_that_would_have_been_paid(tmp_path: Path, site: SqliteSite) -> None:
    tried = (
        '[[challenge]]\nid = "path"\nmode = "shadow"\naward = 30\n'
        '[[challenge.step]]\non = "lesson.completed"\ncount = 5\n'
        '[[rule]]\nid = "begun"\nmode = "shadow"\non = "lesson.completed"\nfirst = true\naward = 7\n'
        '[[rule]]\nid = "two-days"\nmode = "shadow"\non = "lesson.completed"\nstreak = { days = 2 }\naward = 4\n'
    )
    complete(site, 8, 35, FIRST + DAY + 10)
    at = campus(tmp_path / "tried", f"sqlite:///{site.path}", HEAD + tried)
    at.catch_up()
    rules(at, tried.replace('mode = "shadow"\n', ""))
    at.catch_up()
    assert at.export() == []
    for name in ("path", "begun", "two-days"):
        at.json("rules", "backfill", "--rule", name, *SINCE, "--yes")
    assert [(row["rule_id"], row["learner"], row["occurred_at"]) for row in at.export()] == [
        ("path", "moodle:35", "2026-11-19T00:00:05Z"),
        ("begun", "moodle:35", "2026-11-19T00:00:01Z"),
        ("begun", "moodle:36", "2026-11-20T00:00:00Z"),
        ("two-days", "moodle:35", "2026-11-20T00:00:10Z"),
    ]


def test_what_was_paid_stands_unless_compensation_is_asked_for(at: Campus) -> None:
    rules(at, LESSON + "active = { from = 2026-11-20 }\n")
    words = ("rules", "backfill", "--rule", "lesson", *SINCE, "--yes")
    assert at.json(*words)["compensated"] == 0
    assert paid(at) == FIRST_PAID
    assert at.json(*words, "--compensate")["compensated"] == 3
    assert paid(at) == {("lesson", "moodle:35"): 0, ("lesson", "moodle:36"): 10}
    assert "Ada" in at.export()[-1]["reason"]
    again = at.json(*words, "--compensate")
    assert (again["compensated"], again["awarded"]) == (0, 0)
    at.command("ledger", "verify")


def test_what_was_never_recorded_is_read_from_the_log_and_paid_once(at: Campus, site: SqliteSite) -> None:
    rules(at, LESSON + LOGIN)
    words = ("rules", "backfill", "--rule", "login", *SINCE)
    looked = at.command(*words)
    assert r"not recorded all the time: \core\event\user_loggedin" in looked.stderr
    assert at.json(*words, "--yes")["awarded"] == 0
    before = content(at.directory)
    assert at.json(*words, "--log", "moodle")["paid"] == {"points": "1"}
    assert {name: at_hash for name, at_hash in content(at.directory).items() if "rules" not in name} == {
        name: at_hash for name, at_hash in before.items() if "rules" not in name
    }
    assert at.json(*words, "--log", "moodle", "--yes")["awarded"] == 1
    assert at.json(*words, "--log", "moodle", "--yes")["awarded"] == 0
    at.catch_up()
    assert paid(at) == {**FIRST_PAID, ("login", "moodle:35"): 1}


def test_what_the_agent_has_not_read_yet_is_left_to_it(at: Campus, site: SqliteSite) -> None:
    complete(site, 8, 36, FIRST + 2 * DAY)
    rules(at, LESSON + LATER)
    words = ("rules", "backfill", "--rule", "course-work", *SINCE, "--log", "moodle", "--yes")
    assert at.json(*words)["awarded"] == 2
    at.catch_up()
    assert paid(at) == {
        **FIRST_PAID,
        ("lesson", "moodle:36"): 20,
        ("course-work", "moodle:35"): 2,
        ("course-work", "moodle:36"): 4,
    }


def test_a_running_agent_does_it_and_refuses_rules_that_it_does_not_run(at: Campus) -> None:
    process = at.start()
    try:
        wait_until((at.directory / "data" / "agent.sock").exists)
        told = at.json("rules", "backfill", "--rule", "lesson", *SINCE, "--yes")
        assert (told["events"], told["stood"]) == (6, 6)
        rules(at, LESSON + LATER.replace("course-work", "broken") + "colour = 1\n")
        refused = at.command("rules", "backfill", "--rule", "lesson", *SINCE, "--yes", check=False)
        assert refused.returncode == 2
    finally:
        kill(process)
    assert paid(at) == FIRST_PAID


@pytest.mark.parametrize(("rule", "told"), [("nothing", "there is no rule nothing"), ("quiet", "in mode shadow")])
def test_only_a_live_rule_can_pay_for_what_was(at: Campus, rule: str, told: str) -> None:
    rules(at, LESSON + LATER.replace("course-work", "quiet") + 'mode = "shadow"\n')
    refused = at.command("rules", "backfill", "--rule", rule, *SINCE, check=False)
    assert refused.returncode == 2
    assert told in refused.stderr


def test_in_shadow_mode_nobody_is_paid_for_what_was_either(at: Campus) -> None:
    at.config.write_text(at.config.read_text().replace("[agent]\n", '[agent]\nmode = "shadow"\n'))
    refused = at.command("rules", "backfill", "--rule", "lesson", *SINCE, "--yes", check=False)
    assert (refused.returncode, "shadow mode" in refused.stderr) == (2, True)
    assert paid(at) == FIRST_PAID
