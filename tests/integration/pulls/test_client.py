"""The client of systems that are asked: what it bears, what it tells, and where it never goes."""

from __future__ import annotations

import pytest
from aiohttp import web

from agent.collectors.pull.canvas import CanvasPlan
from agent.collectors.pull.client import LOW_PAUSE_S, Address, Client, LaterError
from agent.collectors.pull.plan import Ask, Round
from agent.errors import ConfigError, TransientError
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.vendors import Mood, Vendor, vendor

SECRET = "Bearer a-token-that-must-not-leave"


def client_of(one: Vendor, clock: ManualClock, *, bytes_max: int = 100_000, answer_s: float = 60.0) -> Client:
    async def sleep(seconds: float) -> None:
        clock.at += seconds

    address = Address(
        name="lrs",
        url=f"{one.url}/api",
        headers=lambda: {"Authorization": SECRET},
        requests_per_s=2.0,
        answer_bytes_max=bytes_max,
        answer_s_max=answer_s,
    )
    return Client(address, clock, sleep=sleep)


async def test_targets_are_joined_to_the_address_and_requests_are_paced() -> None:
    clock = ManualClock(NOW)
    async with vendor(lambda _: web.json_response({"yes": 1})) as one, client_of(one, clock) as client:
        for target in ("things?a=%5B1%5D", "/other/things", f"{one.url}/whole?b=2"):
            assert (await client.get(target)).body == b'{"yes": 1}'
        assert one.asked == ["/api/things?a=%5B1%5D", "/other/things", "/whole?b=2"]
        assert {headers["Authorization"] for headers in one.headers} == {SECRET}
    assert clock.at == NOW + 1.0


async def test_a_header_that_came_twice_is_read_whole() -> None:
    following = '<http://127.0.0.1/api/things?page=2>; rel="next"'

    def answer(_: web.Request) -> web.Response:
        found = web.json_response([])
        for link in (following, '<http://127.0.0.1/api/things?page=9>; rel="last"'):
            found.headers.add("Link", link)
        return found

    async with vendor(answer) as one, client_of(one, ManualClock(NOW)) as client:
        page = await client.get("things")
    took = CanvasPlan("self", quizzes=False).took(
        Ask(what="courses", target="things"), page, Round(start=0, since=0), NOW
    )
    assert [ask.target for ask in took.asks] == ["http://127.0.0.1/api/things?page=2"]


@pytest.mark.parametrize(
    "other",
    [
        "http://localhost:{port}/x",
        "//example.org/x",
        "https://127.0.0.1:{port}/x",
        "http://a:b@127.0.0.1:{port}/x",
        "file:///etc/passwd",
        "http://[broken",
    ],
)
async def test_an_answer_that_leads_to_another_origin_is_never_followed(other: str) -> None:
    async with vendor(lambda _: web.Response()) as one, client_of(one, ManualClock(NOW)) as client:
        with pytest.raises(ConfigError, match="leads to another address"):
            await client.get(other.format(port=one.port))
        assert one.asked == []


async def test_a_redirect_is_told_and_not_followed() -> None:
    async with vendor(lambda _: web.Response(status=302, headers={"Location": "/there"})) as one:
        async with client_of(one, ManualClock(NOW)) as client:
            with pytest.raises(ConfigError, match="another address"):
                await client.get("things")
        assert one.asked == ["/api/things"]


@pytest.mark.parametrize("mood", ["half", "slow", "hang up", "endless"])
async def test_a_vendor_that_gives_no_whole_answer_is_a_passing_trouble(mood: Mood) -> None:
    async with vendor(lambda _: web.json_response({"yes": 1})) as one:
        one.mood = mood
        limit_s = 0.05 if mood == "slow" else 60.0
        async with client_of(one, ManualClock(NOW), answer_s=limit_s) as client:
            with pytest.raises(TransientError) as caught:
                await client.get("things?token=hidden")
            assert SECRET not in str(caught.value)
            assert "hidden" not in str(caught.value)
            one.mood = ""
        async with client_of(one, ManualClock(NOW)) as client:
            assert (await client.get("things")).is_good


async def test_a_vendor_that_is_not_there_is_a_passing_trouble() -> None:
    async with vendor(lambda _: web.Response()) as one:
        gone = client_of(one, ManualClock(NOW))
    with pytest.raises(TransientError, match="cannot be reached"):
        await gone.get("things")
    await gone.close()
    await gone.close()


@pytest.mark.parametrize(
    ("status", "headers", "body", "after_s"),
    [
        (429, {"Retry-After": "7"}, "", 7),
        (403, {}, "403 Forbidden (Rate Limit Exceeded)", None),
        (503, {"Retry-After": "99999999"}, "", 3600),
        (500, {}, "<html>", None),
    ],
)
async def test_a_vendor_that_wants_to_be_left_alone_says_for_how_long(
    status: int, headers: dict[str, str], body: str, after_s: int | None
) -> None:
    refused = web.Response(status=status, headers=headers, text=body)
    async with vendor(lambda _: refused) as one, client_of(one, ManualClock(NOW)) as client:
        with pytest.raises(LaterError) as caught:
            await client.get("things")
    assert caught.value.after_s == after_s


async def test_a_wrong_credential_is_the_administrators_and_what_is_not_there_is_an_answer() -> None:
    status = 401
    async with vendor(lambda _: web.Response(status=status)) as one, client_of(one, ManualClock(NOW)) as client:
        with pytest.raises(ConfigError, match="does not let us in"):
            await client.get("things")
        for status in (403, 404, 410):
            answer = await client.get("things")
            assert (answer.status, answer.is_good) == (status, False)


async def test_a_vendor_whose_patience_runs_low_is_asked_slowly() -> None:
    clock = ManualClock(NOW)
    low = {"X-Rate-Limit-Remaining": "12.5"}
    async with vendor(lambda _: web.Response(headers=low)) as one, client_of(one, clock) as client:
        await client.get("one")
        await client.get("two")
    assert clock.at == NOW + LOW_PAUSE_S
