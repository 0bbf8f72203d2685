"""The real agent before a hosted site: posts at its door, the site's web services behind them, and nothing else."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp

from tests import servers
from tests.acceptance.campus import Campus, serving, wait_until
from tests.acceptance.test_posts import send
from tests.integration.webservices.campus import LEARNER, PAGE, TEACHER, completed, done, found
from tests.posts import HOOK, TOKEN
from tests.sites import SqliteSite
from tests.webservices import WS_TOKEN, fake_moodle

RULES = """
schema = 1
timezone = "UTC"
[[rule]]
id = "section"
on = "lesson.completed"
conditions = { section_progress_pct = ">=50" }
award = 10
"""


def hosted_campus(directory: Path, url: str) -> tuple[Campus, int]:
    """A campus that knows a site by its posts and its web services."""
    directory.mkdir()
    port = servers.free_port()
    for name, secret in (("trigger.token", TOKEN), ("ws.token", WS_TOKEN)):
        (directory / name).write_text(secret)
        (directory / name).chmod(0o600)
    (directory / "rules.toml").write_text(RULES)
    (directory / "config.toml").write_text(
        '[agent]\ncampus = "test-campus"\ndata_dir = "data"\n'
        f'[http]\nlisten = "127.0.0.1:{port}"\n'
        f'[[source]]\nname = "moodle"\nkind = "tool-trigger"\npath = "{HOOK}"\n'
        'bearer_token_files = ["trigger.token"]\n'
        f'[[source]]\nname = "moodle-ws"\nkind = "moodle-ws"\nurl = "{url}"\ntoken_file = "ws.token"\n'
        'same_site_as = "moodle"\nrequests_per_s = 100.0\ngap_patience = "1m"\nstart_at = "2026-01-01T00:00:00Z"\n'
    )
    return Campus(directory=directory), port


async def test_posts_are_paid_by_what_the_site_tells_and_the_token_stays_a_secret(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    found(site)
    at = int(time.time())
    done(site, PAGE, at=at - 5)
    async with fake_moodle(site.execute) as web:
        campus, port = hosted_campus(tmp_path / "a", web.url)
        with serving(campus) as service:
            async with aiohttp.ClientSession() as session:
                statuses = [
                    await send(session, port, completed(at=at - 5)),
                    await send(session, port, completed(learner=TEACHER, at=at - 5)),
                ]
            await asyncio.to_thread(wait_until, lambda: len(campus.export()) == 1)
            rows = await asyncio.to_thread(campus.export)
            code, _ = await asyncio.to_thread(service.end)
        functions = set(web.functions_asked())
        targets = {one.target for one in web.asked}
    assert (code, statuses) == (0, [200, 200])
    assert [(row["learner"], row["rule_id"], row["source"], row["trust"]) for row in rows] == [
        (f"moodle:{LEARNER}", "section", "moodle", "trusted_source")
    ]
    assert "core_completion_get_activities_completion_status" in functions
    assert targets == {"/webservice/rest/server.php"}
    assert WS_TOKEN not in (campus.directory / "service.log").read_text()
