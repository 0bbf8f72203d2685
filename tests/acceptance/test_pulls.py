"""The real agent asks an LRS: kills, outages and posts beside it; each statement pays once, and people are told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.config.settings import load_settings
from agent.errors import ConfigError
from tests.acceptance.campus import Campus, kill, serving, wait_until
from tests.pulled import iso, statement
from tests.sites import SqliteSite
from tests.vendors import Vendor, vendor

RULES = (
    'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "course"\non = "course.completed"\naward = 10\nonce_per = "event"\n'
)
PAGE = 5
STATEMENTS = 40


@contextmanager
def running(one: Any) -> Iterator[Vendor]:
    """A vendor on a loop of its own, so that a test may wait for the agent."""
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), list[Vendor]()
    stop = asyncio.Event()

    async def listen() -> None:
        async with vendor(one) as opened:
            found.append(opened)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def lrs(request: web.Request) -> web.StreamResponse:
    if request.headers.get("Authorization") != "Basic a2V5OnNlY3JldA==":
        return web.Response(status=401)
    start = int(request.query.get("from", "1"))
    at = iso(int(time.time()) - 60)
    page = [
        {**statement(number), "timestamp": at, "stored": at}
        for number in range(start, min(start + PAGE, STATEMENTS + 1))
    ]
    more = f"/xapi/statements?from={start + PAGE}" if start + PAGE <= STATEMENTS else ""
    return web.json_response({"statements": page, "more": more})


def second(request: web.Request) -> web.StreamResponse:
    """An LRS that speaks version 2 alone."""
    if request.headers["X-Experience-API-Version"].startswith("1."):
        return web.Response(status=400, headers={"X-Experience-API-Version": "2.0.0"})
    return lrs(request)


def a_campus(directory: Path, url: str, more: str = "") -> Campus:
    directory.mkdir(parents=True, exist_ok=True)
    secret = directory / "lrs.password"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    (directory / "rules.toml").write_text(RULES)
    (directory / "config.toml").write_text(
        '[agent]\ncampus = "test-campus"\ndata_dir = "data"\nrules = "rules.toml"\n'
        '[[source]]\nname = "lrs"\nkind = "xapi"\n'
        f'[source.pull]\nurl = "{url}/xapi"\nuser = "key"\npassword_file = "lrs.password"\nstart_at = "beginning"\n'
        f"requests_per_s = 100.0\n{more}"
    )
    return Campus(directory=directory)


def test_statements_that_are_asked_for_are_paid_once_whatever_kills_the_agent(tmp_path: Path) -> None:
    with running(lrs) as one:
        at = a_campus(tmp_path / "a", one.url)
        for most in (2, 5):
            process = at.start()
            wait_until(lambda most=most: len(one.asked) >= most)
            kill(process)
        at.catch_up()
        paid = at.export()
        assert len(paid) == STATEMENTS
        assert {row["trust"] for row in paid} == {"trusted_source"}
        at.catch_up()
        assert len(at.export()) == STATEMENTS
        (standing,) = at.json("status")["pulls"]
    assert (standing["source"], standing["facts"], standing["trouble"]) == ("lrs", STATEMENTS, "")


def test_an_lrs_that_speaks_version_2_alone_is_asked_in_it(tmp_path: Path) -> None:
    with running(second) as one:
        at = a_campus(tmp_path / "a", one.url)
        at.catch_up()
        assert len(at.export()) == STATEMENTS
        versions = [headers["X-Experience-API-Version"] for headers in one.headers]
    assert versions == ["1.0.3"] + ["2.0.0"] * (STATEMENTS // PAGE)


def test_a_system_that_does_not_answer_keeps_no_log_from_being_read_and_people_are_told(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log = f'[[source]]\nname = "moodle"\nkind = "moodle-logstore"\nurl = "sqlite:///{site.path}"\n'
    with running(lambda _: web.Response(status=401)) as one:
        at = a_campus(tmp_path / "a", one.url, log)
        with serving(at) as service:
            wait_until(lambda: service.said("source_trouble"))
            wait_until(lambda: any(source["source"] == "moodle" for source in at.json("status")["sources"]))
            wait_until(lambda: ["401" in pull["trouble"] for pull in at.json("status")["pulls"]] == [True])
        told = at.command("doctor", check=False).stdout
        assert "does not let us in" in told


@pytest.mark.parametrize(
    ("pull", "fault"),
    [
        ('url = "http://lrs.example.org"\ntoken_file = "t"', "the credential would go in clear"),
        ('url = "https://lrs.example.org"', "one credential"),
        ('url = "https://lrs.example.org"\nuser = "u"\ntoken_file = "t"', "belong together"),
        ('url = "https://a:b@lrs.example.org"\ntoken_file = "t"', "a user or password stands in the URL"),
    ],
)
def test_a_pull_that_cannot_be_meant_is_told_before_anything_starts(tmp_path: Path, pull: str, fault: str) -> None:
    at = a_campus(tmp_path / "a", "http://127.0.0.1:1")
    config = at.directory / "config.toml"
    config.write_text(config.read_text().partition("[source.pull]")[0] + f"[source.pull]\n{pull}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(config)
    assert fault in str(caught.value)
