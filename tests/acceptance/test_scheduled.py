"""Scheduled rewards through the console alone: a real log, a real catalogue, kills, and a draw that strangers check."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.campus import Campus, campus, kill, wait_until
from tests.acceptance.campus import serving as service_of
from tests.integration.test_catalogue_process import Served, command, serving
from tests.sites import SqliteSite, log

RULES = """
schema = 1
timezone = "UTC"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
[[scheduled]]
id = "champion"
every = "week"
rank = { by = "points earned", at_least = 20 }
places = [50, 30, 10]
"""
DRAW = """
[[scheduled]]
id = "raffle"
every = "week"
draw = { winners = 2, announce = "the list hangs at the porter's" }
award = 500
"""
COMPLETED = r"\core\event\course_module_completion_updated"
MONDAY = 1_789_344_000
"""2026-09-14T00:00:00Z."""
WEEK = 604_800


def complete(site: SqliteSite, learner: int, lesson: int, when: int) -> None:
    """A learner completes a lesson; rows are numbered as they come."""
    ((last,),) = site.execute("SELECT coalesce(max(id), 0) FROM mdl_logstore_standard_log")
    log(
        site,
        last + 1,
        eventname=COMPLETED,
        objecttable="course_modules_completion",
        objectid=learner * 1000 + lesson,
        contextlevel=70,
        contextinstanceid=lesson,
        relateduserid=learner,
        userid=learner,
        other='{"completionstate":1}',
        timecreated=when,
    )


def weeks(site: SqliteSite, count: int) -> None:
    """Four learners, each with as many lessons in each week as their number says."""
    for week in range(count):
        for learner in (31, 32, 33, 34):
            for lesson in range(1, learner - 29):
                complete(site, learner, week * 10 + lesson, MONDAY + week * WEEK + lesson * 3600)


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    """A Moodle with three weeks of lessons."""
    made = SqliteSite(tmp_path / "moodle.db")
    weeks(made, 3)
    return made


def at_of(tmp_path: Path, site: SqliteSite, rules: str = RULES, extra: str = "") -> Campus:
    return campus(tmp_path / "campus", f"sqlite:///{site.path}", rules, extra=f"poll_interval_s = 0.1\n{extra}")


def prizes(at: Campus, rule: str = "champion") -> list[tuple[str, str, str]]:
    return [(row["learner"], row["amount"], row["occurred_at"]) for row in at.export() if row["rule_id"] == rule]


def test_the_weeks_of_an_old_log_have_their_winners_and_a_second_run_pays_nothing(
    tmp_path: Path, site: SqliteSite
) -> None:
    at = at_of(tmp_path, site)
    at.catch_up()
    paid = prizes(at)
    assert paid[:3] == [
        ("moodle:34", "50", "2026-09-21T00:00:00Z"),
        ("moodle:33", "30", "2026-09-21T00:00:00Z"),
        ("moodle:32", "10", "2026-09-21T00:00:00Z"),
    ]
    assert len(paid) == 9
    at.catch_up()
    assert prizes(at) == paid
    at.command("ledger", "verify")
    (listed,) = at.json("scheduled", "list")
    assert listed["last_run"] > "champion@2026-11-01"
    shown = at.json("scheduled", "show", "champion@2026-09-21T00:00:00Z", "--standings")
    assert [one["gets"] for one in shown["decisions"]] == ["50 points", "30 points", "10 points"]
    assert [one["value"] for one in shown["standings"]] == ["40", "30", "20", "10"]
    why = at.command("learner", "why", "moodle:34", "--on", "2026-09-21", "--rule", "champion").stdout
    assert "50 points" in why


def test_kills_between_any_two_steps_pay_every_week_once(tmp_path: Path, site: SqliteSite) -> None:
    whole = at_of(tmp_path / "whole", site)
    whole.catch_up()
    at = at_of(tmp_path / "killed", site)
    chance = random.Random(7)
    for _ in range(12):
        process = at.start("--until-caught-up")
        time.sleep(0.5 + chance.random() * 1.2)
        kill(process)
    at.catch_up()
    assert at.export() == whole.export()
    at.command("ledger", "verify")


def test_what_comes_too_late_is_told_and_changes_nothing(tmp_path: Path, site: SqliteSite) -> None:
    at = at_of(tmp_path, site, extra='backdated_after = "365d"')
    at.catch_up()
    paid = prizes(at)
    for lesson in range(1, 9):
        complete(site, 31, 500 + lesson, MONDAY + 5 * 3600)
    at.catch_up()
    assert prizes(at) == paid
    shown = at.json("scheduled", "show", "champion@2026-09-21T00:00:00Z")
    assert shown["too_late"] == "8 acts and 8 entries of that time became known later and do not count"


def test_a_running_agent_decides_by_itself_what_is_due(tmp_path: Path, site: SqliteSite) -> None:
    at = at_of(tmp_path, site)
    with service_of(at) as running:
        wait_until(lambda: len(running.logged("scheduled_run")) >= 3)
        assert at.command("scheduled", "run").stdout.strip() == ""
    assert len(prizes(at)) == 9


def test_a_dry_run_says_what_would_be_decided_and_changes_nothing(tmp_path: Path, site: SqliteSite) -> None:
    now = int(time.time())
    for learner in (31, 32, 33, 34):
        for lesson in range(1, learner - 29):
            complete(site, learner, 900 + lesson, now - 60)
    at = at_of(tmp_path, site, RULES.replace('"week"', '"year"'))
    at.catch_up()
    before, over = at.export(), datetime.fromtimestamp(now - 36 * 3_600, UTC).year + 1
    (tried,) = at.json("scheduled", "run", "champion", "--dry-run")
    assert tried["waits_for"].startswith(f"its settle of 36h is over at {over}-01-02")
    assert [one["gets"] for one in tried["winners"]] == ["50 points", "30 points", "10 points"]
    assert at.export() == before


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Served]:
    """The real catalogue, serving."""
    with serving(tmp_path / "catalogue") as served:
        yield served


def enrol(at: Campus, catalogue: Served) -> None:
    """Make the campus known to the catalogue."""
    added = json.loads(command("tenant", "add", "test-campus", "--config", catalogue.config, "--json").stdout)
    at.command("key", "new")
    at.command("enrol", added["token"])


def by_hand(found: dict[str, Any]) -> list[str]:
    """The winners as the manual works them out, by nothing of this project but the file."""
    head = bytes.fromhex(found["before"])
    for line in found["entries"]:
        head = sha256(head + len(line.encode()).to_bytes(8, "big") + line.encode()).digest()
    assert head.hex() == found["head"] == json.loads(found["receipt"])["head"]
    assert sha256(found["list"].encode()).hexdigest() in json.loads(found["entries"][0])["reason"]
    signature = b64decode(found["receipt_headers"]["signature"].partition("=:")[2].rstrip(":"))
    seed = sha256(head + signature).hexdigest()
    held = [name for line in found["list"].splitlines() for name in [line.split()[0]] * int(line.split()[1])]
    won: list[str] = []
    number = 0
    while len(won) < 2 and held:
        number += 1
        drawn = int(sha256(f"{seed}:{number}".encode()).hexdigest()[:8], 16)
        if drawn < 2**32 // len(held) * len(held):
            won.append(held[drawn % len(held)])
            held = [name for name in held if name != won[-1]]
    return won


def test_a_draw_has_the_catalogues_signature_in_its_seed_and_a_stranger_repeats_it(
    tmp_path: Path, site: SqliteSite, catalogue: Served
) -> None:
    at = at_of(tmp_path, site, RULES + DRAW, extra=f'[catalogue]\nurl = "{catalogue.url}"')
    enrol(at, catalogue)
    at.catch_up()
    assert len(prizes(at, "raffle")) == 6
    at.command("ledger", "verify")
    run = "raffle@2026-09-21T00:00:00Z"
    steps = at.command("rules", "draw", "verify", run).stdout
    assert "the draw is right" in steps
    assert "the receipt is signed by the catalogue's key" in steps
    file = tmp_path / "draw.json"
    at.command("rules", "draw", "show", run, "--export", str(file))
    text = file.read_text(encoding="utf-8")
    assert "moodle:3" not in text
    stranger = [sys.executable, "-m", "agent", "rules", "draw", "verify", "--file", str(file), "--json"]
    told: Any = json.loads(subprocess.run(stranger, capture_output=True, text=True, check=True, cwd=tmp_path).stdout)
    assert told["holds"] is True
    assert by_hand(json.loads(text)) == json.loads(text)["winners"]
    file.write_text(text.replace("3 to win", "1 to win").replace(" 1\\n", " 2\\n", 1), encoding="utf-8")
    assert subprocess.run(stranger, capture_output=True, text=True, check=False, cwd=tmp_path).returncode == 3
    report = json.loads(command("verify", "--json", "--config", catalogue.config).stdout)
    assert report["faults"] == []
