"""The door before those who mean harm or know no better: raw bytes over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import web

from agent.collectors.door import app
from machine.listening import connection, listener
from machine.listening.listener import Listener
from tests.posts import HOOK, TOKEN, OpenDoor, a_post, door_source, open_door
from tests.servers.authority import certified

HEAD = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
EMPTY = b"Content-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def knocking(at: OpenDoor) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", at.door.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def said(at: OpenDoor, data: bytes) -> bytes:
    async with knocking(at) as (reader, writer):
        writer.write(data)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return head + await reader.readexactly(length)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", 400),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", 415),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"X: " + b"a" * 20_000 + b"\r\n\r\n", 400),
        (HEAD + b"".join(b"X%d: a\r\n" % n for n in range(20_000)) + EMPTY, 400),
        (HEAD + b"Authorization: Bearer another\r\n" + EMPTY, 404),
        (b"POST " + HOOK.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s\xff\xfe\r\n" + EMPTY, 404),
        (b"POST /%ff%ff/../.. HTTP/1.1\r\nHost: x\r\n" + EMPTY, 404),
        (HEAD + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n" + EMPTY, 415),
        (b"POST http://[ HTTP/1.1\r\nHost: x\r\n" + EMPTY, 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 404),
        (b"SECRETSECRET what is this\r\n\r\n", 400),
    ],
)
async def test_what_is_broken_or_ambiguous_gets_a_clear_4xx_and_is_repeated_nowhere(
    tmp_path: Path, data: bytes, status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_door(tmp_path) as at:
        answer = await said(at, data)
        assert int(answer.split()[1]) == status
        assert b"aiohttp" not in answer
        assert b"SECRET" not in answer
        assert (await at.post(a_post())).status == 200
    logged = caplog.text + "".join(capsys.readouterr())
    assert "Bearer" not in logged
    assert "SECRET" not in logged


async def test_who_hangs_up_in_the_middle_of_a_body_is_no_fault_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = door_source("shop", kind="learnworlds", path="/shop", tokens=(), secrets=("s",))
    async with open_door(tmp_path, door_source(), shop) as at:
        for head in (HEAD, b"POST /shop HTTP/1.1\r\nHost: x\r\n", b"POST /nowhere HTTP/1.1\r\nHost: x\r\n"):
            async with knocking(at) as (reader, writer):
                writer.write(head + b"Content-Length: 100\r\n\r\n{")
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 60)
        assert (await at.post(a_post())).status == 200
        counts = {("trigger", "broken_body"): 1, ("shop", "credential"): 1, ("", "path"): 1, ("trigger", "kept"): 1}
        assert at.door.counts == counts
    assert "request_failed" not in "".join(capsys.readouterr())


async def test_a_compressed_bomb_is_turned_away_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    async with open_door(tmp_path) as at:
        head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        assert (await said(at, head + bomb)).endswith(b'{"error":"encoded"}')


async def test_a_head_that_never_ends_is_cut_off_also_after_a_good_post(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.2)
    async with open_door(tmp_path) as at:
        for before in (b"", HEAD + EMPTY):
            async with knocking(at) as (reader, writer):
                writer.write(before)
                if before:
                    await reader.readuntil(b"}")
                writer.write(b"POST / HTTP/1.1\r\nX: ")
                assert await asyncio.wait_for(reader.read(), 60) == b""
        async with knocking(at) as (reader, _):  # one that says nothing at all
            assert await asyncio.wait_for(reader.read(), 60) == b""


async def test_a_head_that_came_while_the_machine_stood_still_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.2)
    monkeypatch.setattr(connection, "LAST_S", 20.0)
    async with open_door(tmp_path) as at, knocking(at) as (reader, writer):
        assert (await at.post(a_post())).status == 200  # who knocked before is taken by now
        writer.write(HEAD + EMPTY)
        time.sleep(0.4)
        assert await asyncio.wait_for(reader.readuntil(b"}"), 60)


async def test_connections_beyond_the_limit_are_dropped_and_room_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECTIONS_PER_ADDRESS_MAX", 3)
    async with open_door(tmp_path) as at:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(knocking(at))
            async with knocking(at) as (reader, _):
                assert await asyncio.wait_for(reader.read(), 60) == b""
        async with asyncio.timeout(60):
            assert HTTPStatus.OK in [status async for status in _tried(at)]
    async with open_door(tmp_path, proxies=["127.0.0.0/8"]) as at, contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(knocking(at))
        assert (await at.post(a_post())).status == 200


def test_an_ipv6_network_has_the_connections_of_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECTIONS_PER_ADDRESS_MAX", 2)
    among = connection.Connections(lambda _: False, {})
    for come, enter in (
        (("2001:db8::1", "2001:db8::2:3", "2001:db8::ffff:1", "2001:db8:0:1::1"), (True, True, False, True)),
        (("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", ""), (True, True, False, True, True)),
        (("fe80::1%eth0", "fe80::2%eth0", "fe80::3"), (True, True, False)),
    ):
        assert tuple(among.enter(address) for address in come) == enter
    among.leave("2001:db8::1")
    assert among.enter("2001:db8::9")


async def _tried(at: OpenDoor) -> AsyncIterator[int]:
    """Statuses until one is let in: a connection that ended is noticed a moment later."""
    status = 0
    while not status:
        try:
            status = int((await said(at, HEAD + EMPTY)).split()[1])
        except (OSError, asyncio.IncompleteReadError):
            continue
        yield HTTPStatus.OK if status == HTTPStatus.BAD_REQUEST else status


@pytest.fixture
def at_tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a door speaks TLS with, and what somebody who trusts it does."""
    chain, key = certified(tmp_path, "door")
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(chain, key)
    return ours, ssl.create_default_context(cafile=chain)


async def test_connections_that_never_become_tls_are_counted_and_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    monkeypatch.setattr(connection, "CONNECTIONS_PER_ADDRESS_MAX", 3)
    monkeypatch.setattr(connection, "HEAD_S", 1.0)
    async with open_door(tmp_path, tls=at_tls[0]) as at:
        began = time.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            silent = [await stack.enter_async_context(knocking(at)) for _ in range(4)]
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(silent[3][0].read(), 60) == b"", "one too many"
            in_time = [reader.at_eof() for reader, _ in silent[:3]]
            assert not any(in_time) or time.monotonic() - began > connection.HEAD_S
            for reader, _ in silent[:3]:
                assert await asyncio.wait_for(reader.read(), 60) == b"", "too slow"
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in await asyncio.wait_for(_answered(at, HEAD + EMPTY), 60), "no TLS at all"
        assert await _greeted(at, at_tls[1], HEAD + EMPTY) == b"HTTP/1.1 400 Bad Request"


async def _answered(at: OpenDoor, data: bytes) -> bytes:
    async with knocking(at) as (reader, writer):
        writer.write(data)
        return await reader.read()


async def _greeted(at: OpenDoor, trusting: ssl.SSLContext, data: bytes) -> bytes:
    """How a request is answered that comes in one packet with the end of the handshake."""
    sent, came = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured = trusting.wrap_bio(came, sent, server_hostname="127.0.0.1")
    async with knocking(at) as (reader, writer):
        while True:
            try:
                secured.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(sent.read())
                came.write(await reader.read(65_536))
        secured.write(data)
        writer.write(sent.read())
        while True:
            try:
                return secured.read().partition(b"\r\n")[0]
            except ssl.SSLWantReadError:
                came.write(await asyncio.wait_for(reader.read(65_536), 60))


async def test_who_reads_no_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "UNREAD_S", 0.2)
    ended = asyncio.Event()

    async def endless(request: web.BaseRequest) -> web.Response:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(bytes(65_536))
        finally:
            ended.set()

    listener = Listener(endless, ("127.0.0.1", 0), program="test", setting="listen")
    await listener.open()
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await asyncio.wait_for(ended.wait(), 60)
    writer.close()
    await listener.close()


async def test_at_the_end_nobody_waits_for_a_body_that_does_not_come_and_what_came_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A post of which half was sent held the end up for all the time that those under way have."""
    monkeypatch.setattr(listener, "SHUTDOWN_S", 600)
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.Response:
        begun.release()
        await request.read()
        await go_on.wait()
        return web.Response(text="kept")

    ours = Listener(handler, ("127.0.0.1", 0), program="test", setting="listen")
    await ours.open()
    whole, half = [await asyncio.open_connection("127.0.0.1", ours.port) for _ in range(2)]
    for (_, writer), body in ((whole, b"{}"), (half, b"{")):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n" + body)
        await asyncio.wait_for(begun.acquire(), 60)
    ended = asyncio.create_task(ours.close())
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(half[0].read(), 60) == b""
    assert not ended.done(), "the whole one is under way"
    go_on.set()
    assert (await asyncio.wait_for(whole[0].readline(), 60)).startswith(b"HTTP/1.1 200")
    await asyncio.wait_for(ended, 60)
    for _, writer in (whole, half):
        writer.close()


async def test_requests_sent_without_waiting_are_answered_in_their_order(tmp_path: Path) -> None:
    async with open_door(tmp_path) as at, knocking(at) as (reader, writer):
        writer.write((HEAD + EMPTY) * 100 + b"GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = await asyncio.wait_for(reader.read(), 60)
        assert text.count(b"HTTP/1.1 400") == 100
        assert text.rindex(b"HTTP/1.1 404") > text.rindex(b"HTTP/1.1 400")


async def test_who_asks_first_whether_to_go_on_is_told_so_only_with_the_right_token(tmp_path: Path) -> None:
    async with open_door(tmp_path) as at:
        async with knocking(at) as (reader, writer):
            writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"{}")
            assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        wrong = HEAD.replace(TOKEN.encode(), b"wrong")
        assert (await said(at, wrong + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")).startswith(
            b"HTTP/1.1 404"
        )


async def test_a_wrong_signature_uses_up_nothing_of_the_rightful_sender_and_learns_nothing(tmp_path: Path) -> None:
    signing = door_source("shop", kind="thinkific", path="/shop", tokens=(), secrets=("s",), rate_per_s=1)
    async with open_door(tmp_path, signing) as at:
        wrong = [await at.post(a_post(), path="/shop", token=None) for _ in range(20)]
        wrong.append(await at.post(b"x" * 300_000, path="/shop", token=None))
        wrong.append(await at.post(b"{}", path="/shop", token=None, headers={"Content-Encoding": "br"}))
        assert {(one.status, one.told["error"]) for one in wrong} == {(404, "not_found")}
        assert ("shop", "too_many") not in at.door.counts


async def test_slow_bodies_of_one_source_hold_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_S", 600.0)
    async with (
        open_door(tmp_path, door_source("slow", path="/slow"), door_source()) as at,
        contextlib.AsyncExitStack() as stack,
    ):
        slow = HEAD.replace(HOOK.encode(), b"/slow") + b"Content-Length: 100\r\n\r\n{"
        for _ in range(app.BODIES_MAX + 10):
            _, writer = await stack.enter_async_context(knocking(at))
            writer.write(slow)
            await writer.drain()
        assert (await asyncio.wait_for(at.post(a_post()), 60)).status == 200


async def test_an_old_token_stays_good_beside_the_new_one_while_both_are_configured(tmp_path: Path) -> None:
    async with open_door(tmp_path, door_source(tokens=("old-token", "new-token"))) as at:
        assert [(await at.post(a_post(), token=one)).status for one in ("old-token", "new-token", "newer")] == [
            200,
            200,
            404,
        ]


async def test_half_a_body_when_the_door_closes_is_asked_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "BODY_S", 600.0)
    async with open_door(tmp_path) as at, knocking(at) as (reader, writer):
        writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(60):
            await at.door.close()
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After" in answer
        assert b'"closing"' in answer


async def test_a_door_closes_at_the_very_moment_at_which_a_body_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a body's time is over cannot be said twice: the door stayed open, and the agent ended with a trace."""
    monkeypatch.setattr(listener, "SHUTDOWN_S", 0.1)
    async with open_door(tmp_path) as at, knocking(at) as (reader, writer):
        writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        (until,) = at.door._reading  # noqa: SLF001 - nothing else says when its time is over
        until.reschedule(asyncio.get_running_loop().time())
        await asyncio.create_task(at.door.close())
        assert (await reader.read()).startswith(b"HTTP/1.1 503")


SIGNING = {"thinkific": {"X-Thinkific-Hmac-Sha256": "00"}, "learnworlds": {}}
"""Systems that sign their posts, with what a post shows before its body can be the proof."""


async def asked_first(at: OpenDoor, path: str, headers: dict[str, str], body: bytes) -> tuple[bytes, bytes]:
    """What is said to who asks whether to go on, and after the body, without its date."""
    async with knocking(at) as (reader, writer):
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{lines}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode())
        first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        if not first.startswith(b"HTTP/1.1 100"):
            return b"", first.split(b"Date:")[0]
        writer.write(body)
        return first, (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).split(b"Date:")[0]


@pytest.mark.parametrize("kind", SIGNING)
@pytest.mark.parametrize("shows", [True, False], ids=["with a header", "without"])
async def test_where_a_body_alone_is_the_proof_nobody_learns_which_paths_there_are(
    tmp_path: Path, kind: str, shows: bool
) -> None:
    signing = door_source("shop", kind=kind, path="/shop", tokens=(), secrets=("s",))
    headers = SIGNING[kind] if shows else {}
    async with open_door(tmp_path, signing, door_source()) as at:
        told = {await asked_first(at, path, headers, b"{}") for path in ("/shop", "/nothing", HOOK)}
        large = {await asked_first(at, path, headers, b" " * 300_000) for path in ("/shop", "/nothing", HOOK)}
        assert at.door.counts["shop", "credential"] == 2
    assert (len(told), len(large)) == (1, 1)
    ((first, then),) = told
    assert bool(first) is (shows or kind == "learnworlds")
    assert then.startswith(b"HTTP/1.1 404")


async def test_who_has_shown_nothing_keeps_no_rightful_sender_of_another_address_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "UNPROVEN_S", 600.0)
    school = door_source("school", kind="learnworlds", path="/school", tokens=(), secrets=("s",))
    body = b'{"type":"userUpdated","data":{"user":{"id":"7"}}}'
    async with open_door(tmp_path, school) as at, contextlib.AsyncExitStack() as stack:
        for _ in range(app.BODIES_MAX + 10):
            _, writer = await asyncio.open_connection("127.0.0.1", at.door.port, local_addr=("127.0.0.2", 0))
            stack.callback(writer.close)
            writer.write(b"POST /school HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            await writer.drain()
        posting = at.post(body, path="/school", token=None, headers={"Learnworlds-Webhook-Signature": "v1=s"})
        assert (await asyncio.wait_for(posting, 60)).status == 200


async def test_a_slow_body_of_who_has_shown_nothing_is_cut_off_soon_and_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "UNPROVEN_S", 0.1)
    school = door_source("school", kind="learnworlds", path="/school", tokens=(), secrets=("s",))
    async with open_door(tmp_path, school) as at:
        for path in ("/school", "/nothing"):
            async with knocking(at) as (reader, writer):
                writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
                assert (await asyncio.wait_for(reader.readline(), 60)).startswith(b"HTTP/1.1 404")
