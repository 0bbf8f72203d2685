"""`rules simulate`: what it says would be paid is what the agent pays, and it writes nothing anywhere."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import pty
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from tests import programs, servers
from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_capture import RULES as CAPTURE_RULES
from tests.sites import SqliteSite, log, put

HEAD = 'schema = 1\ntimezone = "UTC"\n[currency.points]\nworth = "0.01 GBP"\n'
RULES = HEAD + '[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 10\nlimit = "3/day"\n'
MORE = (
    HEAD
    + '[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 20\n'
    + '[[rule]]\nid = "login"\non = "user.logged_in"\naward = 1\n'
    + '[budget]\npoints = "100/ever"\n'
)
TIMED = """
[[scheduled]]
id = "day"
every = "day"
settle = "1s"
rank = { by = "acts with lesson.completed" }
places = [7]
[[scheduled]]
id = "raffle"
every = "day"
settle = "1s"
draw = { winners = 1, seed = "chain" }
award = 5
"""
COMPLETED = r"\core\event\course_module_completion_updated"
DAY = 86_400
FIRST = 1_795_046_400  # 2026-11-19T00:00:00Z


@pytest.fixture
def at(tmp_path: Path) -> Campus:
    """A campus that has caught up with two learners: five lessons in a day, and one a day later."""
    site = SqliteSite(tmp_path / "moodle.db")
    for user in (35, 36):
        put(site, "user", id=user, username=f"u{user}", deleted=0, idnumber="", firstname="A", lastname="B", email="")
    done = {"eventname": COMPLETED, "objecttable": "course_modules_completion", "contextlevel": 70}
    for n in range(1, 7):
        user, when = (35, FIRST + n) if n < 6 else (36, FIRST + DAY + 2)
        row = {"objectid": n, "contextinstanceid": n, "relateduserid": user, "userid": user, "timecreated": when}
        log(site, n, other='{"completionstate":1}', **done, **row)
    log(site, 7, eventname=r"\core\event\user_loggedin", userid=36, timecreated=FIRST + DAY + 9)
    made = campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES)
    made.catch_up()
    return made


def content(directory: Path) -> dict[str, str]:
    """The hash of every file; of SQLite's two helpers, which readers may make, only that nothing is in the journal."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm") and (not path.name.endswith("-wal") or path.stat().st_size)
    }


def on_a_terminal(at: Campus, *words: str) -> str:
    """What a command shows on standard error where that is a terminal."""
    screen, theirs = pty.openpty()
    wide = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with os.fdopen(theirs, "wb", buffering=0) as stderr:
        process = programs.start("agent", [*words, "--config", str(at.config)], stderr=stderr, env=wide)
    shown = b""
    # The other end is closed when the command has ended: Linux tells that as an error.
    with contextlib.suppress(OSError):
        while part := os.read(screen, 65_536):
            shown += part
    os.close(screen)
    assert process.wait(60) == 0
    return shown.decode()


def new_rules(at: Campus, text: str = MORE) -> str:
    path = at.directory / "new.toml"
    path.write_text(text)
    return str(path)


def test_the_running_rules_come_to_what_was_paid_and_nothing_is_written(at: Campus) -> None:
    before = content(at.directory)
    for origin in ("ledger", "log"):
        told = at.json("rules", "simulate", "--from", origin)
        paid = Counter[str]()
        for row in at.export():
            paid[row["learner"]] += int(row["amount"])
        assert (
            {one["learner"]: int(one["amount"]) for one in told["gainers"]}
            == paid
            == {
                "moodle:35": 30,
                "moodle:36": 10,
            }
        )
        assert told["refused"] == [{"rule": "lesson", "reason": "limit 3/day", "decisions": 2}]
        assert (told["events"], told["learners"]) == (6, 2)
    assert content(at.directory) == before


def test_other_rules_are_compared_with_those_that_run(at: Campus) -> None:
    told = at.json("rules", "simulate", "--rules", new_rules(at), "--from", "log")
    assert told["totals"] == [
        {
            "currency": "points",
            "learners": 1,
            "amount": "100",
            "cost": "1.00 GBP",
            "cost_against": "0.40 GBP",
            "against": "40",
            "difference": "+60",
        }
    ]
    by_rule = {row["rule"]: row for row in told["rules"]}
    assert by_rule["lesson"]["amount"] == "100"
    assert by_rule["lesson"]["difference"] == "+60"
    assert told["held"] == [
        {"rule": "lesson", "reason": "budget 100 points/ever", "decisions": 1, "promised": {"points": "20"}},
        {"rule": "login", "reason": "budget 100 points/ever", "decisions": 1, "promised": {"points": "1"}},
    ]
    assert told["distribution"]["points"]
    assert any("as of now instead of as of then" in remark and "staff" in remark for remark in told["remarks"])


def test_what_no_rule_asked_for_is_not_in_the_ledger_and_what_is_decided_at_a_time_is_told_apart(at: Campus) -> None:
    words = (
        "rules",
        "simulate",
        "--rules",
        new_rules(at, MORE.replace("100/ever", "500/ever") + TIMED),
        "--until",
        "2026-11-20",
    )
    told = at.json(*words, "--from", "ledger")
    assert "day" not in {row["rule"] for row in told["rules"]}
    paid = {"awards": 1, "learners": 1, "amount": "7", "against": "0", "difference": "+7"}
    assert told["scheduled"][0] | {"runs": 1} == {"scheduled": "day", "runs": 1, "currency": "points"} | paid
    assert told["drawn"][0] | {"runs": 1} == {"scheduled": "raffle", "runs": 1, "winners": 1, "prizes": {"points": "5"}}
    assert "raffle: who is drawn is chance, so that its prizes are in nobody's figures and no total" in told["remarks"]
    assert "login" not in {row["rule"] for row in told["rules"]}
    assert any(r"\core\event\user_loggedin" in remark and "--from log" in remark for remark in told["remarks"])


def test_a_span_counts_only_its_own_days_and_a_price_can_be_asked(at: Campus) -> None:
    words = ("rules", "simulate", "--since", "2026-11-20", "--until", "2026-11-20", "--price", "0.5 EUR")
    told = at.json(*words)
    assert [(row["amount"], row["cost"]) for row in told["totals"]] == [("10", "5.00 EUR")]
    assert at.command(*words, "--price", "many", check=False).returncode == 1


def test_tables_picture_csv_and_svg_say_the_same(at: Campus) -> None:
    table, drawing = at.directory / "who.csv", at.directory / "spread.svg"
    shown = at.command(
        "rules", "simulate", "--rules", new_rules(at), "--from", "log", "--csv", str(table), "--svg", str(drawing)
    )
    assert "What it comes to" in shown.stdout
    assert "█" in shown.stdout
    assert "What would be held" in shown.stdout
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["learner"], row["amount"], row["against"], row["difference"]) for row in rows] == [
        ("moodle:35", "100", "30", "+70"),
        ("moodle:36", "0", "10", "-10"),
    ]
    assert re.search(r"simulating .*[0-9,]+ of [0-9,]+ ids", on_a_terminal(at, "rules", "simulate", "--from", "log"))
    root = ET.fromstring(drawing.read_text())  # noqa: S314 - written by the command above
    told = [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "these rules, 91–100: 1" in told


def test_a_version_that_was_in_force_can_be_compared_with(at: Campus) -> None:
    version = at.json("rules", "history")[0]["version"]
    told = at.json("rules", "simulate", "--rules", new_rules(at), "--against", version[:10], "--from", "log")
    assert told["against"] == version[:12]
    assert at.command("rules", "simulate", "--against", "deadbeef", check=False).returncode == 1


def test_the_log_of_a_real_moodle_by_its_read_only_account_comes_to_what_the_agent_pays(
    shared_capture: servers.MariaDatabase, tmp_path: Path
) -> None:
    made = campus(tmp_path, shared_capture, CAPTURE_RULES)
    foreseen = made.json("rules", "simulate")
    assert not (tmp_path / "data").exists()
    made.catch_up()
    for told in (foreseen, made.json("rules", "simulate", "--from", "ledger")):
        paid = Counter[tuple[str, str]]()
        for row in made.export():
            paid[row["rule_id"], row["currency"]] += int(row["amount"])
        assert {(row["rule"], row["currency"]): int(row["amount"]) for row in told["rules"]} == paid
        assert len(paid) > 5


@pytest.mark.parametrize("origin", ["ledger", "log"])
def test_accounts_that_are_one_person_by_now_are_one_in_a_simulation(at: Campus, origin: str) -> None:
    once = HEAD + '[[rule]]\nid = "first"\non = "lesson.completed"\naward = 7\nonce_per = "ever"\n'
    words = ("rules", "simulate", "--rules", new_rules(at, once), "--from", origin)
    assert at.json(*words)["totals"][0]["amount"] == "14"
    at.command("learner", "merge", "moodle:36", "moodle:35", "--by", "B. Desk", "--reason", "two accounts")
    assert [(one["learner"], one["amount"]) for one in at.json(*words)["gainers"]] == [("moodle:35", "7")]


def test_a_simulation_over_the_log_pays_nobody_who_was_erased_or_was_to_be_asked_and_has_not_agreed(at: Campus) -> None:
    at.command("learner", "erase", "moodle:36", "--yes", "--by", "B. Desk")
    words = ("rules", "simulate", "--from", "log")
    assert [(one["learner"], one["amount"]) for one in at.json(*words)["gainers"]] == [("moodle:35", "30")]
    at.config.write_text(at.config.read_text() + '[privacy]\nparticipation = "opt-in"\n')
    told = at.json(*words)
    assert (told["gainers"], {one["reason"] for one in told["refused"]}) == ([], {"never earns: not agreed"})
