"""What a running agent tells machines: alive, ready, figures that agree with its ledger, and no person in them."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import aiohttp
import pytest

from agent.service.health.figures import Figures
from tests import servers
from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.acceptance.test_posts import a_lesson, posting_campus, send
from tests.sites import NOW, HandClock, SqliteSite, log

RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "v"\non = "course.viewed"\naward = 1\nonce_per = "event"\n'


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except OSError as error:
        return getattr(error, "code", 0), getattr(error, "read", lambda: b"")().decode()


def figures(port: int) -> dict[str, float]:
    _, text = get(port, "/metrics")
    return {
        match[1]: float(match[2])
        for match in re.finditer(r"^([a-z_]+(?:\{[^}]*\})?) ([0-9.e+-]+)$", text, re.MULTILINE)
    }


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    made = SqliteSite(tmp_path / "moodle.sqlite")
    for number in range(1, 8):
        log(made, number, timecreated=NOW - 4_000_000 + number)
    return made


@contextmanager
def watched(directory: Path, site: SqliteSite) -> Iterator[tuple[Campus, int]]:
    port = servers.free_port()
    http = f'[http]\nlisten = "127.0.0.1:{servers.free_port()}"\nstatus_listen = "127.0.0.1:{port}"\n'
    at = campus(directory, f"sqlite:///{site.path}", RULES, extra=http)
    with serving(at):
        wait_until(lambda: get(port, "/livez")[0] == 200)
        yield at, port


def test_an_agent_tells_that_it_lives_is_ready_and_what_it_did(tmp_path: Path, site: SqliteSite) -> None:
    with watched(tmp_path / "a", site) as (at, port):
        wait_until(lambda: figures(port).get("rewards_entries_total") == 7)
        status, ready = get(port, "/readyz")
        assert (status, json.loads(ready)) == (200, {"ready": True, "reasons": []})
        found = figures(port)
        assert found['rewards_source_position{source="moodle"}'] == 7
        assert found['rewards_events_total{source="moodle"}'] == 7
        assert found['rewards_decisions_total{outcome="awarded"}'] == 7
        assert found["rewards_ledger_entries"] == len(at.export())
        assert found["rewards_disk_free_bytes"] > 0
        assert 0 <= time.time() - found["rewards_started_timestamp_seconds"] < 600
        assert found["rewards_backup_timestamp_seconds"] == 0
        at.command("backup")
        assert time.time() - figures(port)["rewards_backup_timestamp_seconds"] < 600
        _, text = get(port, "/metrics")
        with closing(sqlite3.connect(at.directory / "data" / "ledger.db")) as connection:
            (pseudonym,) = connection.execute("SELECT pseudonym FROM person LIMIT 1").fetchone()
        assert pseudonym not in text
        assert "moodle:35" not in text
        assert get(port, "/other")[0] == 404
        assert json.loads(get(port, "/openapi.json")[1])["openapi"] == "3.1.0"
        assert found['rewards_source_quiet{source="moodle"}'] == 0


_KILLED_AS_IT_LOADS = """
import os, sys

class NoMemory:
    def find_spec(self, name, *_):
        if name == "agent.wiring.agent":
            os._exit(9)

sys.meta_path.insert(0, NoMemory())
from agent.cli.app import main
main()
"""


def test_a_service_that_is_killed_while_it_loads_is_told(tmp_path: Path, site: SqliteSite) -> None:
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES)
    at.catch_up()
    for _ in range(4):
        words = [sys.executable, "-c", _KILLED_AS_IT_LOADS, "run", "--config", str(at.config)]
        assert subprocess.run(words, capture_output=True, check=False).returncode == 9
    assert "killed-often" in {one["code"] for one in at.json("doctor")}


def test_a_source_that_stands_still_makes_the_agent_unready(tmp_path: Path, site: SqliteSite) -> None:
    with watched(tmp_path / "a", site) as (at, port):
        wait_until(lambda: figures(port).get("rewards_ledger_entries") == 7)
    site.execute("DELETE FROM mdl_logstore_standard_log WHERE id > 3")
    with serving(at):
        wait_until(lambda: get(port, "/readyz")[0] == 503)
        assert "source moodle stands still" in get(port, "/readyz")[1]
        assert figures(port)['rewards_source_fault{source="moodle"}'] == 1
        assert get(port, "/livez")[0] == 200


def test_a_log_that_cannot_be_read_is_told_in_seconds(tmp_path: Path, site: SqliteSite) -> None:
    """A database that is away called nobody until its silence was unusual, which takes weeks to know."""
    with watched(tmp_path / "a", site) as (at, port):
        assert 'rewards_source_unread_seconds{source="moodle"}' in figures(port)
    clock = HandClock()
    clock.wall = int(time.time())
    later = Figures(at.directory / "data", clock, dict, logs=["moodle", "another"])
    clock.pass_s(1_000)
    (told,) = [one for one in later.collect() if one.name == "rewards_source_unread_seconds"]
    assert {one.labels["source"]: one.value for one in told.samples} == {"moodle": 1_000, "another": 1_000}


def test_posts_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    at, port = posting_campus(tmp_path / "a")
    status = servers.free_port()
    text = at.config.read_text()
    at.config.write_text(text.replace("[http]\n", f'[http]\nstatus_listen = "127.0.0.1:{status}"\n'))

    async def post() -> list[int]:
        async with aiohttp.ClientSession() as session:
            return [await send(session, port, a_lesson(1)), await send(session, port, {"eventname": "x"})]

    with serving(at):
        wait_until(lambda: get(status, "/livez")[0] == 200)
        assert asyncio.run(post()) == [200, 400]
        found = figures(status)
    assert found['rewards_posts_total{result="kept",source="trigger"}'] == 1
    assert found['rewards_posts_total{result="field_invalid",source="trigger"}'] == 1


def test_every_figure_that_alerts_and_dashboard_ask_for_is_there(tmp_path: Path, site: SqliteSite) -> None:
    folder = Path(__file__).parents[2] / "docs" / "ops"
    asked = {name for file in ("alerts.yml", "dashboard.json") for name in _named((folder / file).read_text())}
    told = _named((folder / "monitoring.md").read_text())
    with watched(tmp_path / "a", site) as (_, port):
        _, text = get(port, "/metrics")
    declared = {match + "_total" for match in re.findall(r"^# TYPE (rewards_\w+) counter", text, re.MULTILINE)}
    declared |= set(re.findall(r"^# TYPE (rewards_\w+?)(?:_total)? (?:counter|gauge)", text, re.MULTILINE))
    declared |= {name.removesuffix("_total") + "_total" for name in declared if f"{name}_total" in text}
    assert {name for name in asked if name not in declared} == set()
    counters = set(re.findall(r"^# TYPE (rewards_\w+)_total counter", text, re.MULTILINE))
    ours = {f"{name}_total" for name in counters} | set(re.findall(r"^# TYPE (rewards_\w+) gauge", text, re.MULTILINE))
    assert ours - asked == set(), "nobody would look at it"
    page = (folder.parent / "reference" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `(rewards_\w+)`", page, re.MULTILINE))
    assert ours - documented == set(), "a figure that the manual does not tell"
    assert {name for name in told if name not in declared} == set()


def _named(text: str) -> set[str]:
    return set(re.findall(r"\brewards_[a-z_]+\b", text))
