"""The catalogue's door under strain, and the ways to it: limits, proxies, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import make_url, text
from structlog.testing import capture_logs

from agent.clock import SystemClock
from agent.errors import ConfigError, TransientError
from agent.outbox.client import Client, Place
from catalogue.app import Door
from catalogue.health.counts import Counts
from catalogue.store import Store
from tests.servers import Postgres, PostgresDatabase
from tests.servers.authority import certified
from tests.wire_builders import CAMPUS, a_batch
from wire import keys


@contextlib.asynccontextmanager
async def a_door(
    directory: Path,
    *,
    tls: ssl.SSLContext | None = None,
    request_s_max: float = 30.0,
    in_flight_max: int = 32,
    shutdown_s: float = 0.2,
    counts: Counts | None = None,
) -> AsyncIterator[str]:
    """The catalogue's application on a free port, with these limits."""
    store = await Store.open(make_url(f"sqlite:///{directory}/books.db"), check_schema=False)
    await store.upgrade()
    key = keys.create(directory / "catalogue.ed25519")
    door = Door(store=store, key=key, request_s_max=request_s_max, in_flight_max=in_flight_max, counts=counts)
    runner = web.AppRunner(door.app(), access_log=None, shutdown_timeout=shutdown_s)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await store.close()


def a_client(directory: Path, url: str, **place: object) -> Client:
    """An agent's client with a key of its own that nobody knows: a 401 proves that the catalogue was reached."""
    if not (directory / "agent.ed25519").exists():
        keys.create(directory / "agent.ed25519")
    return Client(Place(url=url, **place), key_file=directory / "agent.ed25519", clock=SystemClock())  # type: ignore[arg-type]


async def reached(client: Client) -> bool:
    """Whether the catalogue itself answered a batch."""
    answer = await client.post_batch(a_batch(), campus=CAMPUS, agent="agent-1")
    await client.close()
    return answer.status == 401 and b"unknown-key" in answer.body


async def test_more_requests_than_fit_are_asked_to_come_back(tmp_path: Path) -> None:
    counts = Counts()
    async with (
        asyncio.timeout(60),
        a_door(tmp_path, in_flight_max=1, counts=counts) as url,
        aiohttp.ClientSession() as session,
    ):
        hold = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"begin"
            await hold.wait()
            yield b"end"

        slow = asyncio.create_task(session.post(f"{url}/v1/batches", data=slowly()))
        await until(lambda: counts.in_flight == 1)
        async with session.get(f"{url}/livez") as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "2"
        hold.set()
        assert (await slow).status == 401
        async with session.get(f"{url}/livez") as response:
            assert response.status == 200


async def test_it_is_alive_whatever_becomes_of_its_database(tmp_path: Path, postgres: Postgres) -> None:
    database = postgres.create_database()
    store = await Store.open(make_url(database.dsn), check_schema=False)
    database.drop()
    runner = web.AppRunner(Door(store=store, key=keys.create(tmp_path / "key")).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/livez") as response:
            assert response.status == 200
        headers = {"Authorization": f"Bearer {CAMPUS}.bi.{'a' * 40}"}
        async with session.get(f"{url}/api/user/points?user=ann", headers=headers) as response:
            assert (response.status, (await response.json())["error"]) == (503, "database")
    await runner.cleanup()
    await store.close()


async def test_a_request_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    async with a_door(tmp_path, request_s_max=0.2) as url, aiohttp.ClientSession() as session:
        told = asyncio.Event()

        async def never() -> AsyncIterator[bytes]:
            yield b"begin"
            await told.wait()

        async with session.post(f"{url}/v1/batches", data=never()) as response:
            assert response.status == 503
            assert (await response.json())["error"] == "slow"
        told.set()


async def half_sent(url: str, counts: Counts) -> asyncio.StreamWriter:
    """A connection on which the head of a batch and a part of its body arrived."""
    at = urlsplit(url)
    _, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf")
    await until(lambda: counts.in_flight == 1)
    return writer


async def until(true: Callable[[], bool]) -> None:
    """Look again and again; whoever asks bounds it."""
    while not true():  # noqa: ASYNC110 - what becomes so has nothing to wait for
        await asyncio.sleep(0.01)


async def test_at_the_end_nobody_waits_for_a_body_that_does_not_come(tmp_path: Path) -> None:
    """An agent that was cut off while it delivered held the catalogue's restart up for ten seconds and more."""
    counts = Counts()
    async with asyncio.timeout(60), a_door(tmp_path, shutdown_s=600, request_s_max=600, counts=counts) as url:
        writer = await half_sent(url, counts)
    assert counts.in_flight == 0
    writer.close()


async def test_who_goes_away_while_sending_is_no_failure_of_the_database(tmp_path: Path) -> None:
    """The log said that the database had failed, and the alert of failing requests counted it."""
    counts = Counts()
    with capture_logs() as logged:
        async with asyncio.timeout(60), a_door(tmp_path, counts=counts) as url:
            (await half_sent(url, counts)).close()
            await until(lambda: counts.in_flight == 0)
    (answered,) = [one for one in counts.families() if one.name == "rewards_catalogue_requests"]
    assert [sample.labels["status"] for sample in answered.samples] == ["499"]
    assert logged == []


async def test_what_is_not_there_is_told_in_json(tmp_path: Path) -> None:
    async with a_door(tmp_path) as url, aiohttp.ClientSession() as session:
        for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/v1/batches", 405)):
            async with session.request(method, url + path) as response:
                assert response.status == status
                assert (await response.json())["error"] == "http"


async def test_a_value_that_postgresql_cannot_keep_is_a_bad_question_and_no_outage(
    tmp_path: Path, catalogue_database: PostgresDatabase
) -> None:
    store = await Store.open(make_url(catalogue_database.dsn))
    door = Door(store=store, key=keys.create(tmp_path / "catalogue.ed25519"))
    app = door.app()

    async def asked(request: web.Request) -> web.Response:
        async with store.reading() as conn:
            value: str | int = request.query["text"] if "text" in request.query else int(request.query["number"])
            kind = "text" if isinstance(value, str) else "bigint"
            await conn.execute(text(f"SELECT CAST(:value AS {kind})"), {"value": value})
        return web.Response()

    app.router.add_get("/asked", asked)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        for query, status in (({"text": "a"}, 200), ({"text": "\0"}, 400), ({"number": str(2**64)}, 400)):
            async with session.get(server.make_url("/asked"), params=query) as answer:
                assert answer.status == status
    await store.close()


@contextlib.asynccontextmanager
async def a_proxy(seen: list[str]) -> AsyncIterator[str]:
    """A forward proxy as campuses have them: takes absolute addresses, asks the real server, copies the answer."""

    async def forward(request: web.BaseRequest) -> web.Response:
        seen.append(str(request.url))
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, request.url, data=await request.read(), headers=dict(request.headers)
            ) as response,
        ):
            return web.Response(status=response.status, body=await response.read(), content_type="application/json")

    runner = web.ServerRunner(web.Server(forward))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_proxy_is_used_where_one_is_configured(tmp_path: Path) -> None:
    seen: list[str] = []
    async with a_door(tmp_path) as url, a_proxy(seen) as proxy:
        assert await reached(a_client(tmp_path, url, proxy=proxy))
        assert seen == [f"{url}/v1/batches"]


async def test_who_asks_or_waits_while_an_agent_ends_is_told_so(tmp_path: Path) -> None:
    """A command that was typed while an agent ended got `RuntimeError: Session is closed`, or was broken off."""
    came, hold = asyncio.Event(), asyncio.Event()

    async def silent(_: web.BaseRequest) -> web.Response:
        came.set()
        await hold.wait()
        return web.Response()

    runner = web.ServerRunner(web.Server(silent))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = a_client(tmp_path, f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with asyncio.timeout(30):
        asked, waits = (asyncio.create_task(client.get_keys()) for _ in range(2))
        await came.wait()
        closing = asyncio.create_task(client.close())
        said = [*await asyncio.gather(asked, waits, client.get_keys(), return_exceptions=True)]
        await closing
        said += await asyncio.gather(client.get_keys(), return_exceptions=True)
    hold.set()
    await runner.cleanup()
    assert {type(one) for one in said} == {TransientError}
    assert {str(one).partition(":")[0] for one in said} == {"the agent is ending"}


async def test_who_is_cancelled_while_waiting_for_the_catalogue_ends_as_cancelled(tmp_path: Path) -> None:
    client = a_client(tmp_path, "http://127.0.0.1:9")
    async with client:
        asked = asyncio.create_task(client.get_keys())
        await asyncio.sleep(0)
        asked.cancel()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await asked


def a_certificate(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1, and a server's context with it."""
    chain, secret = certified(directory, "ca")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, secret)
    return chain, context


async def test_an_authority_of_the_campus_is_trusted_where_it_is_named_and_only_there(tmp_path: Path) -> None:
    authority, context = a_certificate(tmp_path)
    async with a_door(tmp_path, tls=context) as url:
        assert await reached(a_client(tmp_path, url, ca_file=authority))
        stranger = a_client(tmp_path, url)
        with pytest.raises(TransientError, match="certificate"):
            await reached(stranger)
        await stranger.close()


async def test_a_file_of_certificates_that_is_none_is_what_an_edit_cures(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate", encoding="utf-8")
    client = a_client(tmp_path, "https://127.0.0.1:9", ca_file=tmp_path / "ca.pem")
    with pytest.raises(ConfigError, match="ca_file"):
        await reached(client)


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async def away(_: web.BaseRequest) -> web.Response:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})

    runner = web.ServerRunner(web.Server(away))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = a_client(tmp_path, f"http://127.0.0.1:{runner.addresses[0][1]}")
    answer = await client.post_batch(a_batch(), campus=CAMPUS, agent="agent-1")
    await client.close()
    await runner.cleanup()
    assert answer.status == 307
