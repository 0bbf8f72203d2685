"""What stands between a campus and its catalogue: proxies with pages of their own, certificates nobody believes."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from agent.cli.setup.looks.catalogue import catalogue_findings
from agent.cli.setup.looks.finding import Finding
from agent.config.settings import load_settings
from tests.acceptance.campus import Campus, campus
from tests.fakes import FakeCatalogue
from tests.servers.authority import certified
from tests.sites import SqliteSite

RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "a"\non = "lesson.completed"\naward = 1\n'
PAGE = "<html><h1>Welcome to the guest network</h1></html>"


@asynccontextmanager
async def standing(answer: web.Response, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Something that answers so to everything; its address."""

    async def always(_: web.Request) -> web.Response:
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", always)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeCatalogue]:
    """A catalogue."""
    made = FakeCatalogue(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def at(tmp_path: Path) -> Campus:
    """A campus with a key, which no catalogue knows yet."""
    site = SqliteSite(tmp_path / "moodle.db")
    made = campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES, extra='[catalogue]\nurl = "http://127.0.0.1:9"')
    made.command("key", "new")
    return made


async def found(at: Campus, url: str, more: str = "") -> Finding:
    """What doctor says last of the catalogue, were it at ``url``."""
    text = at.config.read_text()
    begin = text.index("[catalogue]")
    at.config.write_text(f'{text[:begin]}[catalogue]\nurl = "{url}"\n{more}\n')
    return (await catalogue_findings(load_settings(at.config)))[-1]


@pytest.mark.parametrize("enrolled", [True, False], ids=["enrolled", "not enrolled"])
@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "is it https:// that is spoken there?"),
        (401, "must let agents in as they are"),
        (404, "does the path in [catalogue] url lead to the catalogue?"),
        (502, "a proxy before the catalogue does not reach it"),
    ],
)
async def test_a_page_of_a_proxys_own_is_not_taken_for_the_catalogues_word(
    at: Campus, fake: FakeCatalogue, status: int, told: str, enrolled: bool
) -> None:
    """A proxy's 400 was told as "update rewards-agent and rewards-catalogue", its 401 as "enrol this agent"."""
    if enrolled:
        await found(at, fake.url)
        await asyncio.to_thread(at.command, "enrol", await fake.add_tenant("test-campus"))
    async with standing(web.Response(status=status, text=PAGE, content_type="text/html")) as url:
        seen = await found(at, url)
    assert (seen.code, seen.level, seen.exit_code) == ("catalogue-hidden", "fail", 1)
    assert f"something that is not the catalogue answered {status}" in seen.found
    assert told in seen.found
    assert "guest network" not in seen.found


async def test_a_redirect_says_where_it_leads_and_is_not_followed(at: Campus) -> None:
    leads = web.Response(status=301, headers={"Location": "https://sso.example.org/login?token=geheim"})
    async with standing(leads) as url:
        seen = await found(at, url)
    assert "it leads on to https://sso.example.org, which is not followed: correct [catalogue] url" in seen.found
    assert "geheim" not in seen.found


async def test_what_is_wrong_with_the_catalogues_certificate_is_told_with_its_cure(at: Campus, tmp_path: Path) -> None:
    for name, address, ends, vouched, cure in (
        ("own", "127.0.0.1", 1, False, "[catalogue] ca_file"),
        ("old", "127.0.0.1", -0.5, True, "its certificate must be renewed there"),
        ("other", "192.0.2.1", 1, True, "correct the host in [catalogue] url"),
    ):
        chain, key = certified(tmp_path, name, address=address, ends=dt.timedelta(days=ends))
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(chain, key)
        async with standing(web.Response(), tls) as url:
            seen = await found(at, url, f'ca_file = "{chain}"' if vouched else "")
        assert (seen.code, cure in seen.do) == ("certificate-untrusted", True), seen
    async with standing(web.Response()) as url:
        seen = await found(at, url.replace("http:", "https:"))
    assert "no TLS is spoken there: write http://" in seen.do
