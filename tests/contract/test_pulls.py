"""What every system that is asked keeps to: replay, crash, bad input, refusals, and one fact with what it posts."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from agent.collectors.inbox.pulls import standings
from agent.collectors.inbox.requeued import Sought
from agent.collectors.inbox.store import FILE_NAME, Inbox
from agent.collectors.pull.canvas import CanvasPlan
from agent.collectors.pull.client import Address, Client
from agent.collectors.pull.driver import MARKS_KEEP_S, SLICE_FACTS_MAX, Pull, PullOptions
from agent.collectors.pull.learnworlds import LearnWorldsPlan
from agent.collectors.pull.plan import TRIES_MAX, Plan
from agent.collectors.pull.xapi import XapiPlan
from agent.collectors.systems.base import Arrival
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.errors import ConfigError, RewardsError
from agent.model import Evidence, Observation
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.pulled import ANN, CANVAS, LEARNWORLDS, LRS, Documented, statement
from tests.vendors import Mood, Vendor, vendor

PLANS: Mapping[str, Callable[[], Plan]] = {
    "xapi": XapiPlan,
    "learnworlds": LearnWorldsPlan,
    "canvas": lambda: CanvasPlan("self", quizzes=True),
}


@dataclass(slots=True, kw_only=True)
class Campus:
    """One system that is asked, before a real inbox."""

    kind: str
    vendor: Vendor
    inbox: Inbox
    data_dir: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    start_at: int = NOW - 86_400
    erased: frozenset[str] = frozenset()

    def pull(self, plan: Plan | None = None) -> Pull:
        async def sleep(seconds: float) -> None:
            self.clock.at += seconds

        address = Address(name="it", url=f"{self.vendor.url}/api", headers=dict, requests_per_s=1000.0)
        options = PullOptions(name="it", site="it", every_s=900, start_at=self.start_at, body_bytes_max=262_144)
        return Pull(
            options,
            plan or PLANS[self.kind](),
            SYSTEMS[self.kind],
            inbox=self.inbox,
            client=Client(address, self.clock, sleep=sleep),
            kinds=KindTable,
            clock=self.clock,
            chance=lambda: 0.0,
            sleep=sleep,
            gone=lambda site, user: site == "it" and user in self.erased,
        )

    async def once(self) -> RewardsError | None:
        """One reading by an agent that has just started."""
        pull = self.pull()
        try:
            return await pull.catch_up()
        finally:
            await pull.close()

    async def seen(self) -> list[Observation]:
        """What stands in the inbox."""
        posts = await self.inbox.after("it", 0, 1000)
        found: list[Observation] = []
        for post in posts:
            arrival = Arrival(
                source="it", site="it", number=post.number, received_at=post.received_at, evidence=post.evidence,
                body=post.body,
            )  # fmt: skip
            found += SYSTEMS[self.kind].observations(arrival, KindTable())
        return found

    def marks(self) -> int:
        """How many facts are remembered."""
        with closing(sqlite3.connect(self.data_dir / FILE_NAME)) as inbox:
            return int(inbox.execute("SELECT count(*) FROM pulled").fetchone()[0])

    def trouble(self) -> str:
        (standing,) = standings(self.data_dir / FILE_NAME)
        return standing.trouble


@pytest.fixture(params=[LRS, LEARNWORLDS, CANVAS], ids=lambda one: one.kind)
def documented(request: pytest.FixtureRequest) -> Documented:
    found: Documented = request.param
    return found


@asynccontextmanager
async def opened(documented: Documented, tmp_path: Path) -> AsyncIterator[Campus]:
    inbox = await Inbox.open(tmp_path)
    try:
        async with vendor(documented.answer) as one:
            yield Campus(kind=documented.kind, vendor=one, inbox=inbox, data_dir=tmp_path)
    finally:
        await inbox.close()


async def test_a_list_of_payments_that_goes_back_for_years_is_not_read_to_its_end(tmp_path: Path) -> None:
    async with opened(LEARNWORLDS, tmp_path) as campus:
        assert await campus.once() is None
        assert sum(1 for target in campus.vendor.asked if target.startswith("/api/v2/payments")) == 3


async def test_what_a_system_documents_becomes_facts_each_once_however_often_it_is_asked(
    documented: Documented, tmp_path: Path
) -> None:
    async with opened(documented, tmp_path) as campus:
        assert await campus.once() is None
        seen = await campus.seen()
        assert sorted((one.kind, one.people["subject"], one.course) for one in seen) == sorted(documented.facts)
        assert {one.evidence for one in seen} == {Evidence.bearer_token}
        assert not any(one.marks for one in seen)
        for _ in range(3):
            campus.clock.at += 900
            assert await campus.once() is None
        assert len(await campus.seen()) == len(seen)
        assert campus.trouble() == ""


async def test_what_is_told_of_who_was_erased_is_not_kept_and_not_even_its_mark_is_renewed(
    documented: Documented, tmp_path: Path
) -> None:
    async with opened(documented, tmp_path) as campus:
        await campus.once()
        before, marks = await campus.seen(), campus.marks()
        gone = before[0].people["subject"]
        theirs = sum(1 for one in before if one.people["subject"] == gone)
        campus.erased = frozenset({gone})
        campus.clock.at += MARKS_KEEP_S + 1
        assert await campus.once() is None
        left = campus.marks()
        assert left <= marks - theirs, "what is not told again is forgotten in time"
        campus.clock.at += 900
        assert await campus.once() is None
        assert (await campus.seen(), campus.marks()) == (before, left), "and nobody else's comes twice"


async def test_a_fact_that_was_posted_and_asked_for_is_one_fact(documented: Documented, tmp_path: Path) -> None:
    async with opened(documented, tmp_path) as campus:
        await campus.once()
        pulled = {one.natural_key for one in await campus.seen()}
    arrival = Arrival(source="it", site="it", number=1, received_at=NOW, evidence=Evidence.bearer_token, body=b"")
    for post in documented.posts:
        posted = Arrival(**{**{name: getattr(arrival, name) for name in ("source", "site", "number", "received_at",
                         "evidence")}, "body": json.dumps(post).encode()})  # fmt: skip
        (found,) = SYSTEMS[documented.kind].observations(posted, KindTable())
        assert found.natural_key in pulled


async def test_an_agent_that_dies_after_any_answer_loses_nothing_and_keeps_nothing_twice(
    documented: Documented, tmp_path: Path
) -> None:
    async with opened(documented, tmp_path) as campus:
        left = 0

        def counted(request: web.Request) -> web.StreamResponse:
            nonlocal left
            left -= 1
            return documented.answer(request) if left >= 0 else web.Response(status=401)

        campus.vendor.answers = counted
        deaths = 0
        while True:
            left = 1
            error = await campus.once()
            if error is None:
                break
            assert isinstance(error, ConfigError)
            deaths += 1
        assert deaths >= 1
        assert len(await campus.seen()) == len(documented.facts)


@pytest.mark.parametrize("mood", ["half", "hang up", "endless"])
async def test_a_system_in_any_mood_is_told_and_read_when_it_is_well_again(
    documented: Documented, mood: Mood, tmp_path: Path
) -> None:
    async with opened(documented, tmp_path) as campus:
        campus.vendor.mood = mood
        assert await campus.once() is not None
        assert campus.trouble()
        campus.vendor.mood = ""
        assert await campus.once() is None
        assert len(await campus.seen()) == len(documented.facts)
        assert campus.trouble() == ""


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500, 503])
async def test_whatever_it_refuses_with_is_told_and_moves_nothing(
    documented: Documented, status: int, tmp_path: Path
) -> None:
    page = web.Response
    async with opened(documented, tmp_path) as campus:
        campus.vendor.answers = lambda _: page(status=status, text="<html>sorry</html>", content_type="text/html")
        error = await campus.once()
        assert error is not None
        assert error.hint
        assert campus.trouble() == error.message
        campus.vendor.answers = documented.answer
        assert await campus.once() is None
        assert len(await campus.seen()) == len(documented.facts)


async def test_what_is_spoiled_among_good_facts_is_set_aside_and_the_rest_is_kept(
    documented: Documented, tmp_path: Path
) -> None:
    spoiled: list[Any] = [None, 7, [], {}, {"id": []}, {"id": "x", "user": 7, "progress": [], "stored": "soon"}]

    def answer(request: web.Request) -> web.StreamResponse:
        return documented.answer(request, more=spoiled)

    async with opened(documented, tmp_path) as campus:
        campus.vendor.answers = answer
        assert await campus.once() is None
        assert len(await campus.seen()) == len(documented.facts)


async def test_nothing_older_than_the_start_is_a_fact(documented: Documented, tmp_path: Path) -> None:
    async with opened(documented, tmp_path) as campus:
        campus.start_at = NOW - 10
        assert await campus.once() is None
        assert {one.kind for one in await campus.seen()} <= {"course.progressed"}


async def test_what_is_asked_stays_under_the_documented_paths(documented: Documented, tmp_path: Path) -> None:
    async with opened(documented, tmp_path) as campus:
        await campus.once()
        assert {urlsplit(target).path for target in campus.vendor.asked} <= documented.paths


@pytest.mark.parametrize("courses", [("565", "999"), ("sis_course_id:BIO101",)])
async def test_of_canvas_only_the_courses_that_are_named_are_asked_about(
    tmp_path: Path, courses: tuple[str, ...]
) -> None:
    async with opened(CANVAS, tmp_path) as campus:
        pull = campus.pull(CanvasPlan("self", quizzes=True, courses=courses))
        assert await pull.catch_up() is None
        await pull.close()
        assert len(await campus.seen()) == len(CANVAS.facts)
        asked = {urlsplit(target).path for target in campus.vendor.asked}
        assert not any(path.endswith(("/accounts/self/courses", "/566")) for path in asked)
        assert {path for path in asked if "/courses/999/" in path} == set()


@pytest.mark.parametrize("odd", ["<html>sorry</html>", "7", "{}", "[[]]", '{"data": 7}'])
async def test_an_answer_that_stays_odd_is_set_aside_and_told_and_the_walk_goes_on(tmp_path: Path, odd: str) -> None:
    path, aside = "/api/v2/users/" + ANN + "/progress", web.Response

    def answer(request: web.Request) -> web.StreamResponse:
        return aside(text=odd) if request.path == path else LEARNWORLDS.answer(request)

    async with opened(LEARNWORLDS, tmp_path) as campus:
        campus.vendor.answers = answer
        assert await campus.once() is None
        assert campus.trouble() == ""
        assert len(await campus.seen()) == len(LEARNWORLDS.facts) - 1
        (told,) = await campus.inbox.refused("it", Sought(), 0, 10)
        assert (told.reason, told.body.decode()) == ("answer_odd", odd)
        assert sum(urlsplit(target).path == path for target in campus.vendor.asked) == TRIES_MAX


async def test_a_long_answer_keeps_no_other_source_waiting_and_each_of_its_facts_is_there_once(tmp_path: Path) -> None:
    told = [statement(number) for number in range(10, 10 + 5 * SLICE_FACTS_MAX)]

    def answer(request: web.Request, more: Sequence[Any]) -> web.StreamResponse:
        return LRS.answer(request, (*more, *told))

    async with opened(replace(LRS, routes=answer), tmp_path) as campus:
        reading = asyncio.create_task(campus.once())
        numbers = []
        while not reading.done():
            numbers.append(await campus.inbox.append("other", NOW, Evidence.nothing, b"{}"))
        assert await reading is None
        facts = [post.number for post in await campus.inbox.after("it", 0, 2 * len(told))]
        assert len(facts) == len(told) + 3
        assert any(facts[0] < number < facts[-2] for number in numbers), "the last stands in an answer of its own"
