"""Two agents of a campus by their commands: one person, one purse, through a purchase, a lost disk and an erasure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_recovery import CAMPUS, enrolled, lost
from tests.integration.test_catalogue_process import Served, command, serving
from tests.sites import LOGGED_IN, NOW, SqliteSite, log, put

RULES = """
schema = 1
timezone = "UTC"
[[rule]]
id = "login"
on = "user.logged_in"
award = 10
once_per = "event"
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "catalogue") as served:
        yield served


def an_agent(directory: Path, catalogue: Served, site: str, user: int, logins: int) -> Campus:
    """An agent of a site of its own, in which Ann has an account and did something."""
    directory.mkdir()
    moodle = SqliteSite(directory / "moodle.db")
    put(moodle, "user", id=user, username="ann", idnumber="HR-7", email="Ann@x.org")
    for number in range(1, logins + 1):
        row = {"objecttable": "user", "objectid": user, "courseid": 0, "contextlevel": 10}
        log(moodle, number, eventname=LOGGED_IN, userid=user, timecreated=NOW - 3_600 + number, **row)
    extra = f'site = "{site}"\n[catalogue]\nurl = "{catalogue.url}"\n[identity]\nlink_agents = true'
    return campus(directory, f"sqlite:///{moodle.path}", RULES, extra=extra)


def together(at: Campus, learner: str) -> tuple[int, int, int]:
    """What a learner has here, elsewhere, and in all."""
    shown = at.json("learner", "show", learner)
    (here,) = [one["balance"] for one in shown["balances"]]
    found = [(one["balance"], one["together"]) for one in shown["elsewhere"]["sums"]]
    return (here, *(found[0] if found else (0, here)))


def asked(*words: str, catalogue: Served) -> Any:
    return json.loads(command(*words, "--json", "--config", catalogue.config).stdout)


@pytest.mark.soak
def test_one_person_at_two_agents_buys_with_both_wallets_and_comes_back_from_a_lost_disk(
    catalogue: Served, tmp_path: Path
) -> None:
    one = an_agent(tmp_path / "one", catalogue, "north", 35, 4)
    two = an_agent(tmp_path / "two", catalogue, "south", 9, 3)
    key = enrolled(one, catalogue)
    enrolled(two, catalogue)
    copy = str(tmp_path / "link.key")
    one.command("key", "link", "--to", copy)
    two.command("key", "link", "--from", copy)
    for at in (one, two, one):
        at.catch_up()
    assert (together(one, "north:35"), together(two, "south:9")) == ((40, 30, 70), (30, 40, 70))
    assert "30 points there: 70 in all" in one.command("learner", "show", "north:35").stdout

    reward = ["--title", "A cup of tea", "--price", "points=50", "--approve"]
    command("reward", "add", CAMPUS, "tea", *reward, "--config", catalogue.config)
    assert two.command("redeem", "south:9", "tea", "--by", "desk").stdout.count("voucher ") == 1
    for at in (one, two):
        at.command("sync", "now")
    assert (together(one, "north:35"), together(two, "south:9")) == ((20, 0, 20), (0, 20, 20))

    refused = one.command("learner", "merge", "south:9", "north:35", "--preview", check=False)
    assert (refused.returncode, "rewards-catalogue wallet link" in refused.stderr) == (1, True)

    link = (one.directory / "data" / "link.key").read_text()
    lost(one, catalogue, key, tmp_path)
    (one.directory / "data" / "link.key").write_text(link)
    (one.directory / "data" / "link.key").chmod(0o600)
    one.catch_up()
    assert together(one, "north:35") == (20, 0, 20)
    assert len(asked("wallet", "links", CAMPUS, catalogue=catalogue)["linked"]) == 2

    gone = two.command("learner", "erase", "south:9", "--by", "D. P.", "--yes", check=False)
    assert gone.returncode == 0, gone.stdout
    two.command("sync", "now")
    one.command("sync", "now")
    assert one.json("learner", "show", "north:35")["elsewhere"]["wallets"] == []
    assert asked("wallet", "links", CAMPUS, catalogue=catalogue)["linked"] == []
    assert asked("verify", catalogue=catalogue)["faults"] == []
    assert all(at.json("ledger", "verify")["findings"] == [] for at in (one, two))
