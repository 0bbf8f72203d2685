"""The real agent with a door: what was answered 200 is in the ledger, once, whatever happens to the agent."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.cli.frame import utc
from tests import servers
from tests.acceptance.campus import Campus, kill, serving, wait_until
from tests.ledgers import rows as ledger_rows
from tests.posts import HOOK, TOKEN, a_post
from tests.pulled import iso, statement
from tests.sites import SqliteSite, log

COMPLETION = r"\core\event\course_module_completion_updated"

RULES = """
schema = 1
timezone = "UTC"

[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10

[[rule]]
id = "essay"
on = "submission.received"
conditions = { word_count = ">=3" }
award = 50
"""


def posting_campus(directory: Path, *, same_site: bool = False, log: str = "") -> tuple[Campus, int]:
    """A campus whose systems post; with ``log`` (the URL of one) also a log."""
    directory.mkdir(parents=True, exist_ok=True)
    port = servers.free_port()
    secret = directory / "trigger.token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    (directory / "rules.toml").write_text(RULES)
    logged = (
        f'[[source]]\nname = "moodle"\nkind = "moodle-logstore"\nurl = "{log}"\nstart_at = "beginning"\n' if log else ""
    )
    (directory / "config.toml").write_text(
        '[agent]\ncampus = "test-campus"\ndata_dir = "data"\nrules = "rules.toml"\n'
        f'[http]\nlisten = "127.0.0.1:{port}"\n{logged}'
        f'[[source]]\nname = "trigger"\nkind = "tool-trigger"\npath = "{HOOK}"\n'
        'bearer_token_files = ["trigger.token"]\n'
        "rate_limit_per_s = 100000.0\n"
        + ('same_site_as = "moodle"\n' if same_site else "")
        + '[[source]]\nname = "forms"\nkind = "generic"\npath = "/forms"\nbearer_token_files = ["trigger.token"]\n'
    )
    return Campus(directory=directory), port


def a_lesson(number: int) -> dict[str, Any]:
    return a_post(objectid=str(number), contextinstanceid=str(number), timecreated=str(int(time.time()) - 5))


async def send(session: aiohttp.ClientSession, port: int, body: Any, path: str = HOOK) -> int:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with session.post(f"http://127.0.0.1:{port}{path}", data=json.dumps(body), headers=headers) as answer:
        await answer.read()
        return answer.status


def test_posts_alone_are_paid_within_a_moment(tmp_path: Path) -> None:
    at, port = posting_campus(tmp_path / "a")

    async def post() -> list[int]:
        async with aiohttp.ClientSession() as session:
            essay = {
                "event": "submission.received",
                "occurred_at": int(time.time()),
                "user": {"id": "ann"},
                "submission": {"id": "1", "text": "three words here"},
            }
            return [
                await send(session, port, a_lesson(7)),
                await send(session, port, a_lesson(7)),
                await send(session, port, essay, "/forms"),
                await send(session, port, {"event": "submission.received"}, "/forms"),
            ]

    with serving(at) as service:
        wait_until(lambda: service.said("agent_started"))
        statuses: list[int] = []
        wait_until(lambda: _answers(port))
        statuses = asyncio.run(post())
        wait_until(lambda: len(at.export()) == 2)
        code, _ = service.end()
    assert code == 0
    assert statuses == [200, 200, 200, 400]
    rows = [(row["learner"], row["rule_id"], row["amount"], row["source"], row["trust"]) for row in at.export()]
    assert sorted(rows) == [
        ("forms:ann", "essay", "50", "forms", "trusted_source"),
        ("trigger:35", "lesson", "10", "trigger", "trusted_source"),
    ]
    at.catch_up()
    assert len(at.export()) == 2


def test_what_is_tried_again_for_days_is_paid_and_what_comes_weeks_later_waits(tmp_path: Path) -> None:
    """A sender that tries for three days, as the manual asks of it, must not leave a weekend to be approved by hand."""
    at, port = posting_campus(tmp_path / "a")
    ages = {1: 4 * 86_400, 2: 14 * 86_400}
    late = [a_lesson(number) | {"timecreated": str(int(time.time()) - age)} for number, age in ages.items()]

    async def post() -> None:
        async with aiohttp.ClientSession() as session:
            assert [await send(session, port, one) for one in late] == [200, 200]

    with serving(at):
        wait_until(lambda: _answers(port))
        asyncio.run(post())
        wait_until(lambda: at.json("review", "list"))
    assert [row["occurred_at"] for row in at.export()] == [utc(int(late[0]["timecreated"]))]
    assert [(one["log"], one["kind"]) for one in at.json("review", "list")] == [("trigger:2", "backdated")]


@pytest.mark.parametrize("log", [False, True])
def test_an_actor_of_statements_is_found_by_the_address_or_account_that_a_helpdesk_has(
    tmp_path: Path, log: bool
) -> None:
    at, port = posting_campus(tmp_path / "a", log=f"sqlite:///{SqliteSite(tmp_path / 'm.db').path}" if log else "")
    source = '[[source]]\nname = "lrs"\nkind = "xapi"\npath = "/lrs"\nbearer_token_files = ["trigger.token"]\n'
    at.config.write_text(at.config.read_text() + source)
    actors: tuple[dict[str, Any], ...] = (
        {"account": {"homePage": "https://lms.example.com", "name": "ann"}},
        {"mbox": "mailto:Ann@example.com"},
    )
    lesson = {"id": "https://lms.example.com/l/1", "definition": {"type": "http://adlnet.gov/expapi/activities/lesson"}}
    told = {"object": lesson, "timestamp": iso(int(time.time()) - 5)}
    statements = [{**statement(number), "actor": actor, **told} for number, actor in enumerate(actors, 1)]

    async def post() -> None:
        async with aiohttp.ClientSession() as session:
            assert await send(session, port, statements, "/lrs") == 200

    with serving(at):
        wait_until(lambda: _answers(port))
        asyncio.run(post())
        wait_until(lambda: len(at.export()) == 2)
    by_account, by_address = (row["learner"] for row in at.export())
    assert (by_account, by_address[:9]) == ("lrs:https://lms.example.com|ann", "lrs:mbox-")
    for called in (by_account, by_account.removeprefix("lrs:")):
        assert at.json("learner", "show", called)["learner"] == by_account
    assert at.json("learner", "show", "ann@example.com")["learner"] == by_address


def _answers(port: int) -> bool:
    async def look() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as answer:
                return answer.status == 404
        except aiohttp.ClientError:
            return False

    return asyncio.run(look())


def test_every_post_that_was_answered_200_is_in_the_ledger_once_after_kills_at_random(tmp_path: Path) -> None:
    at, port = posting_campus(tmp_path / "a")
    chance = random.Random(7)
    accepted: set[int] = set()

    async def load(stop: asyncio.Event, start: int) -> None:
        number = start
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while not stop.is_set():
                number += 8
                try:
                    if await send(session, port, a_lesson(number)) == 200:
                        accepted.add(number)
                except (aiohttp.ClientError, TimeoutError):
                    await asyncio.sleep(0.05)

    async def storm() -> None:
        stop = asyncio.Event()
        loads = [asyncio.create_task(load(stop, start)) for start in range(8)]
        for _ in range(6):
            process = at.start()
            before = len(accepted)
            await asyncio.to_thread(wait_until, lambda before=before: len(accepted) >= before + 50)
            await asyncio.sleep(chance.random() * 0.5)
            kill(process)
        stop.set()
        await asyncio.gather(*loads)

    asyncio.run(storm())
    at.catch_up()
    events = ledger_rows(at.directory / "data", "SELECT CAST(payload AS TEXT) ->> 'l' FROM event")
    lessons = [int(lesson) for (lesson,) in events]
    assert len(accepted) >= 300
    assert accepted <= set(lessons)
    assert len(lessons) == len(set(lessons)) == len(at.export())


def a_row(site: SqliteSite, number: int, at: int) -> None:
    """The log row of the act that `a_lesson` posts."""
    log(
        site, number, eventname=COMPLETION, objecttable="course_modules_completion", objectid=number, userid=35,
        relateduserid=35, contextlevel=70, contextinstanceid=number, courseid=3, timecreated=at,
        other='{"relateduserid": "35", "completionstate": 1}',
    )  # fmt: skip


def test_a_post_beside_the_log_waits_for_its_row_and_a_phantom_waits_for_ever(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    at, port = posting_campus(tmp_path / "a", same_site=True, log=f"sqlite:///{site.path}")
    when = int(time.time()) - 5
    posts = [a_post(objectid=str(n), contextinstanceid=str(n), timecreated=str(when)) for n in (1, 2, 3)]

    async def post(*numbers: int) -> None:
        async with aiohttp.ClientSession() as session:
            for number in numbers:
                assert await send(session, port, posts[number - 1]) == 200

    with serving(at):
        wait_until(lambda: _answers(port))
        asyncio.run(post(1, 1, 2))
        wait_until(lambda: at.json("status")["ledger"]["held"] == 2)
        assert at.export() == []
        a_row(site, 1, when)
        wait_until(lambda: len(at.export()) == 1)
        a_row(site, 3, when)
        wait_until(lambda: len(at.export()) == 2)
        asyncio.run(post(3, 1))
        wait_until(lambda: at.json("status")["ledger"]["held"] == 1)
    found = [(row["learner"], row["source"], row["trust"], row["amount"]) for row in at.export()]
    assert found == [
        ("moodle:35", "trigger", "server_verified", "10"),
        ("moodle:35", "moodle", "server_verified", "10"),
    ]
    at.catch_up()
    assert len(at.export()) == 2
    (waiting,) = at.json("review", "list")
    assert waiting["reason"] == "waits for its log row"
