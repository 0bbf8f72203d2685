"""How a site is asked: the token in the form alone, paced, and each fault told to whom it concerns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from agent.collectors.moodlews.answers import Answers
from agent.collectors.moodlews.client import WebService
from agent.collectors.moodlews.faults import NotToldError
from agent.config.secrets import Secret
from agent.errors import ConfigError, TransientError
from tests.fakes import ManualClock
from tests.webservices import WS_TOKEN, FakeMoodle, asking, fake_moodle

INFO = "core_webservice_get_site_info"


class Waiting:
    """A sleep that only moves the clock, and remembers how long it was asked to."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.waited: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.clock.at += seconds


@asynccontextmanager
async def asked(**changes: Any) -> AsyncIterator[tuple[FakeMoodle, WebService, Waiting]]:
    clock = ManualClock()
    sleep = Waiting(clock)
    async with fake_moodle(lambda _: []) as site:
        service = WebService(asking(site, **changes), clock, sleep=sleep)
        try:
            yield site, service, sleep
        finally:
            await service.close()


async def test_the_token_stands_in_the_form_and_neither_in_the_address_nor_in_the_log() -> None:
    with structlog.testing.capture_logs() as logged:
        async with asked() as (site, service, _):
            await service.call(INFO)
            site.moods.codes["*"] = "invalidtoken"
            with pytest.raises(ConfigError) as caught:
                await service.call(INFO)
    assert [one.target for one in site.asked] == ["/webservice/rest/server.php"] * 2
    assert WS_TOKEN not in f"{caught.value} {caught.value!r} {logged} {service.options!r}"


async def test_lists_and_tables_are_written_as_moodle_reads_them() -> None:
    async with asked() as (site, service, _):
        site.moods.body = b"[]"
        await service.call("f", courseids=[7, 9], options=[{"name": "userfields", "value": "id,roles"}], flag=True)
    assert dict(site.asked[0].parameters) == {
        "moodlewsrestformat": "json", "courseids[0]": "7", "courseids[1]": "9",
        "options[0][name]": "userfields", "options[0][value]": "id,roles", "flag": "1",
    }  # fmt: skip


async def test_a_site_is_asked_no_more_often_than_is_configured() -> None:
    async with asked(requests_per_s=4.0) as (_, service, sleep):
        for _ in range(9):
            await service.call(INFO)
    assert sum(sleep.waited) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("invalidtoken", ConfigError, "Moodle does not know the token"),
        ("servicenotavailable", ConfigError, "switched off"),
        ("wsaccessusersuspended", ConfigError, "suspended"),
        ("sitepolicynotagreed", ConfigError, "site policy"),
        ("sitemaintenance", TransientError, "maintenance"),
        ("dmlreadexception", TransientError, "database"),
        ("toomanyrequests", TransientError, "fewer requests"),
        ("accessexception", NotToldError, f"{INFO} is refused: accessexception"),
        ("nopermissions", NotToldError, f"{INFO} is refused: nopermissions"),
        ("<b>Ann's secret</b>", NotToldError, f"{INFO} is refused: unknown"),
    ],
)
async def test_each_fault_of_moodle_is_told_to_whom_it_concerns(code: str, error: type[Exception], said: str) -> None:
    async with asked() as (site, service, _):
        site.moods.codes["*"] = code
        with pytest.raises(error) as caught:
            await service.call(INFO)
    assert said in str(caught.value)
    assert getattr(caught.value, "hint", "")
    assert "Told to people" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (303, ConfigError, "another address"),
        (403, ConfigError, "403"),
        (404, TransientError, "404"),
        (429, TransientError, "429"),
        (500, TransientError, "500"),
        (503, TransientError, "503"),
    ],
)
async def test_each_status_that_is_no_answer_is_told(status: int, error: type[Exception], said: str) -> None:
    async with asked() as (site, service, _):
        site.moods.status = status
        with pytest.raises(error, match=said):
            await service.call(INFO)


@pytest.mark.parametrize(
    ("code", "status", "do"),
    [
        ("wsaccessusersuspended", 200, "activate it again"),
        ("wsaccessusernologin", 200, "Web services authentication"),
        ("wsaccessuserunconfirmed", 200, "confirm it"),
        ("", 404, "with the folder that it stands in"),
    ],
)
async def test_what_is_to_be_done_is_something_that_can_be_done(code: str, status: int, do: str) -> None:
    """Nobody can log in as a user whose authentication is that of web services, to see what is asked of it."""
    async with asked() as (site, service, _):
        site.moods.codes = {"*": code} if code else {}
        site.moods.status = status
        with pytest.raises((ConfigError, TransientError)) as caught:
            await service.call(INFO)
    assert do in (caught.value.hint or "")


async def test_what_is_not_json_is_no_answer_and_is_not_repeated() -> None:
    async with asked() as (site, service, _):
        site.moods.body = b"<html>Ann's page</html>"
        with pytest.raises(TransientError) as caught:
            await service.call(INFO)
    assert "not JSON" in str(caught.value)
    assert "Ann" not in str(caught.value)


async def test_a_site_that_cannot_be_reached_is_left_alone_for_a_while() -> None:
    async with asked() as (site, service, sleep):
        site.moods.status = 503
        site.moods.headers = {"Retry-After": "120"}
        with pytest.raises(TransientError):
            await service.call(INFO)
        sleep.clock.at += 100
        with pytest.raises(TransientError, match="503"):
            await service.call(INFO)
        assert len(site.asked) == 1
        site.moods.status = 200
        sleep.clock.at += 21
        assert service.trouble is None
        assert (await service.call(INFO))["userid"] == 3


async def test_nobody_listening_is_told_without_the_request() -> None:
    clock = ManualClock()
    async with fake_moodle(lambda _: []) as site:
        options = asking(site)
    service = WebService(options, clock, sleep=Waiting(clock))
    with pytest.raises(TransientError) as caught:
        await service.call(INFO)
    await service.close()
    assert "cannot be reached" in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_changed_token_is_used_without_a_restart() -> None:
    tokens = [Secret("old"), Secret(WS_TOKEN)]
    async with asked(token=lambda: tokens[0]) as (_, service, sleep):
        with pytest.raises(ConfigError):
            await service.call(INFO)
        tokens.reverse()
        sleep.clock.at += 60
        assert (await service.call(INFO))["userid"] == 3


async def test_a_function_that_the_service_lacks_is_told_once_and_asked_seldom() -> None:
    with structlog.testing.capture_logs() as logged:
        async with asked(cache_s=60.0) as (site, service, sleep):
            site.moods.codes["core_course_get_contents"] = "accessexception"
            answers = Answers(service, sleep.clock)
            for _ in range(3):
                assert await answers.modules(7) is None
                assert await answers.modules(8) is None
            assert site.functions_asked() == ["core_course_get_contents"]
            sleep.clock.at += 61
            site.moods.codes.clear()
            assert await answers.modules(7) == {}
    assert [one["event"] for one in logged] == ["web_service_refused"]


async def test_structure_is_asked_once_in_a_while_and_what_learners_do_anew_for_each_page() -> None:
    async with asked(cache_s=60.0) as (site, service, sleep):
        answers = Answers(service, sleep.clock)
        for _ in range(2):
            for _ in range(3):
                await answers.modules(7)
                await answers.statuses(7, 35)
            answers.forget()
        assert site.functions_asked() == [
            "core_course_get_contents",
            "core_completion_get_activities_completion_status",
            "core_completion_get_activities_completion_status",
        ]
        sleep.clock.at += 61
        await answers.modules(7)
        assert site.functions_asked().count("core_course_get_contents") == 2


@pytest.mark.parametrize("body", [b"{}", b"null", b"[1]", b'[{"id": null}]', b'[{"id": 1, "modules": 3}]', b'"x"'])
async def test_an_answer_of_another_structure_tells_nothing(body: bytes) -> None:
    async with asked() as (site, service, sleep):
        site.moods.body = body
        answers = Answers(service, sleep.clock)
        assert await answers.modules(7) is None
        assert await answers.enrolled(7) is None or body == b'[{"id": 1, "modules": 3}]'
        assert await answers.course(7) is None
        assert await answers.grades(7, 35) is None
