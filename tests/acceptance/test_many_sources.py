"""Two logs, two tool_triggers of different sites and a school that signs, in one agent: nobody's learners are mixed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests import servers
from tests.acceptance.campus import Campus, serving, wait_until
from tests.acceptance.test_posts import _answers, a_lesson, a_row, send
from tests.posts import TOKEN
from tests.sites import SqliteSite

API_KEY = "the-api-key"

RULES = """
schema = 1
timezone = "UTC"

[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
"""


def many(directory: Path, north: SqliteSite, south: SqliteSite) -> tuple[Campus, int]:
    """One posts beside the log of the north, one for a site without a log; the south has a log alone."""
    directory.mkdir(parents=True)
    port = servers.free_port()
    for name, text in (("trigger.token", TOKEN), ("school.key", API_KEY)):
        (directory / name).write_text(text)
        (directory / name).chmod(0o600)
    (directory / "rules.toml").write_text(RULES)
    logs = "".join(
        f'[[source]]\nname = "{name}"\nkind = "moodle-logstore"\nurl = "sqlite:///{site.path}"\n'
        'start_at = "beginning"\n'
        for name, site in (("north", north), ("south", south))
    )
    posting = "".join(
        f'[[source]]\nname = "{name}"\nkind = "tool-trigger"\npath = "/{name}"\n'
        f'bearer_token_files = ["trigger.token"]\n{more}'
        for name, more in (("north-posts", 'same_site_as = "north"\n'), ("hosted", 'site = "open-lms"\n'))
    )
    (directory / "config.toml").write_text(
        '[agent]\ncampus = "test-campus"\ndata_dir = "data"\nrules = "rules.toml"\n'
        f'[http]\nlisten = "127.0.0.1:{port}"\n{logs}{posting}'
        '[[source]]\nname = "school"\nkind = "thinkific"\npath = "/school"\nsecret_files = ["school.key"]\n'
    )
    return Campus(directory=directory), port


async def signed(session: aiohttp.ClientSession, port: int, body: dict[str, Any], secret: str) -> int:
    data = json.dumps(body).encode()
    headers = {"X-Thinkific-Hmac-Sha256": hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()}
    async with session.post(f"http://127.0.0.1:{port}/school", data=data, headers=headers) as answer:
        return answer.status


def test_two_logs_two_sites_that_post_and_a_school_that_signs_are_paid_once_each_and_never_mixed(
    tmp_path: Path,
) -> None:
    north, south = (SqliteSite(tmp_path / f"{name}.sqlite") for name in ("north", "south"))
    at, port = many(tmp_path / "a", north, south)
    post = a_lesson(7)
    when = int(post["timecreated"])
    hook = {
        "topic": "lesson.completed",
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)),
        "payload": {"user": {"id": 35}, "lesson": {"id": 7}, "course": {"id": 3}},
    }

    async def everything() -> list[int]:
        async with aiohttp.ClientSession() as session:
            return [
                await send(session, port, post, "/north-posts"),
                await send(session, port, post, "/hosted"),
                await send(session, port, post, "/hosted"),
                await signed(session, port, hook, API_KEY),
                await signed(session, port, hook, API_KEY),
                await signed(session, port, hook, "another"),
                await signed(session, port, {**hook, "topic": "product.updated"}, API_KEY),
            ]

    with serving(at) as service:
        wait_until(lambda: _answers(port))
        statuses = asyncio.run(everything())
        for site in (north, south):
            a_row(site, 7, when)
        wait_until(lambda: len(at.export()) == 4)
        code, _ = service.end()
    assert (code, statuses) == (0, [200, 200, 200, 200, 200, 404, 200])
    at.catch_up()
    found = sorted((row["learner"], row["trust"], row["amount"]) for row in at.export())
    assert found == [
        ("north:35", "server_verified", "10"),
        ("open-lms:35", "trusted_source", "10"),
        ("school:35", "trusted_source", "10"),
        ("south:35", "server_verified", "10"),
    ]
