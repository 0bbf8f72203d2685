"""What an older version failed on: told by status, doctor and explain, and taken by a version that can."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from pathlib import Path

from agent.collectors.inbox.store import Inbox
from agent.model import Evidence
from tests.acceptance.test_posts import posting_campus
from tests.acceptance.test_requeue import WANTED, essay, fill
from tests.sites import VIEWED, SqliteSite, log

UNWANTED = WANTED.replace("submission.received", "user.logged_in").replace("course.completed", "tag.added")
VIEWS = WANTED.replace("course.completed", "course.viewed")
FAULT = "KeyError at agent/collectors/systems/moodle.py:1"


def set_aside(data_dir: Path, source: str, position: int, what: str) -> None:
    """As an older version would have."""
    with contextlib.closing(sqlite3.connect(data_dir / "ledger.db")) as connection, connection:
        connection.execute(
            "INSERT INTO set_aside VALUES (?, ?, ?, ?, '0.1', ?)", (source, position, what, FAULT, int(time.time()))
        )


def test_what_stands_aside_is_told_everywhere_and_taken_again_when_it_can_be(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    log(site, 1, 2, timecreated=int(time.time()) - 60)
    at, _ = posting_campus(tmp_path / "a", log=site.options().url)
    (at.directory / "rules.toml").write_text(UNWANTED)

    async def posted(inbox: Inbox) -> None:
        await inbox.append("forms", int(time.time()), Evidence.bearer_token, b"no JSON at all")
        await inbox.append("forms", int(time.time()), Evidence.bearer_token, essay(2))

    fill(at, posted)
    at.catch_up()
    set_aside(at.directory / "data", "moodle", 2, VIEWED)
    set_aside(at.directory / "data", "forms", 2, "submission.received")
    (at.directory / "rules.toml").write_text(VIEWS)

    counts = {one["source"]: one["set_aside"] for one in at.json("status")["sources"]}
    assert (counts["moodle"], counts["forms"]) == (1, 2)
    told = json.loads(at.command("doctor", "--json", check=False).stdout)
    found = {one["about"]: one for one in told if one["code"] == "events-set-aside"}
    assert FAULT in found["source moodle"]["found"]
    assert found["source moodle"]["do"].endswith("rewards-agent events requeue --source moodle")
    assert FAULT in at.command("events", "explain", "moodle:2").stdout
    (post,) = at.json("events", "explain", "forms:1")
    assert "not_json" in post["why"]

    taken = at.json("events", "requeue", "--source", "moodle", "--id", "2", "--yes")
    assert (taken["moved"], [one["told"] for one in taken["posts"]]) == (1, [FAULT])
    again = at.json("events", "requeue", "--source", "forms", "--yes")
    assert (again["moved"], again["looked"]) == (1, {"new": 1, "refused": 1})
    at.catch_up()
    assert sorted(row["rule_id"] for row in at.export()) == ["course", "essay"]
    assert [one["set_aside"] for one in at.json("status")["sources"] if one["source"] == "moodle"] == [0]
