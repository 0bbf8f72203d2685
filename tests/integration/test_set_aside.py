"""What cannot be taken stops nothing: it is set aside with its place and reason, and what is good beside it is paid."""

from __future__ import annotations

import asyncio
import errno
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import structlog

from agent import log
from agent.clock import SystemClock
from agent.collectors.inbox.collector import InboxCollector, InboxOptions
from agent.collectors.inbox.store import Inbox
from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.systems.base import Arrival
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.errors import UnexpectedError
from agent.ledger import file
from agent.ledger.feeds import aside
from agent.model import Demand, Evidence, Observation, Page, SourceState
from agent.service import aside as setting_aside
from agent.service.tail import Tail
from tests.builders import NOW, an_observation
from tests.fakes import ManualClock
from tests.pipelines import Running, running
from tests.posts import a_post
from tests.sites import LOGGED_IN, VIEWED, HandClock, SqliteSite, pages_of, wanting
from tests.sites import log as logged

RULES = """
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
"""
BEYOND = {"grade": Fraction(1, 10**5_000)}
"""A fact that no encoder writes."""


class Given:
    """A source that gives one page of these observations, and then is read to its end."""

    name = "moodle"

    def __init__(self, *seen: Observation) -> None:
        self.seen = seen

    async def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        yield Page(
            source=self.name,
            observations=self.seen,
            state=replace(state, position=max(one.position for one in self.seen)),
            rules_version=demand().rules_version,
            caught_up=True,
        )

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged, as text."""
    stream = io.StringIO()
    log.start(stream=stream)
    yield stream
    structlog.reset_defaults()


def tail_of(agent: Running, source: Given, ledger: Any = None) -> Tail:
    return Tail(
        source=source,
        ledger=ledger or agent.pipeline,
        demand=agent.pipeline.demand,
        clock=SystemClock(),
        on_page=lambda _page, _tally: None,
        sleep=lambda _seconds: asyncio.sleep(0),
    )


def kept(data_dir: Path, source: str = "moodle") -> list[aside.Kept]:
    with file.reading(data_dir) as connection:
        return aside.page(connection, source, 0, 1_000)


def lessons(*bad: int, of: int = 20, **changes: Any) -> list[Observation]:
    return [an_observation(n, **(changes if n in bad else {})) for n in range(1, of + 1)]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"facts": BEYOND}, "Error at agent/"),
        ({"object_id": "\ud800"}, "Error at agent/"),
        ({"occurred_at": 2**70}, "Error at agent/"),
    ],
    ids=["a number that no encoder writes", "half a letter", "a time that no calendar knows"],
)
async def test_an_event_that_cannot_be_recorded_is_set_aside_and_all_others_are_paid_and_passed(
    tmp_path: Path, changes: dict[str, Any], fault: str, written: io.StringIO
) -> None:
    seen = lessons(4, 13, **changes)
    async with running(tmp_path, RULES) as agent:
        assert await tail_of(agent, Given(*seen)).run(follow=False) is None
        assert agent.pipeline.stands("moodle").position == 20
        assert agent.balances() == {"35": 180}
    assert [one.position for one in kept(tmp_path)] == [4, 13]
    assert all(fault in one.fault and one.what == "lesson.completed" for one in kept(tmp_path))
    told = [one for one in map(json.loads, written.getvalue().splitlines()) if one["event"] == "event_set_aside"]
    assert [one["position"] for one in told] == [4, 13]
    assert "events requeue --source moodle" in told[0]["do"]


async def test_a_page_of_which_much_fails_is_not_set_aside_but_kept_waiting_and_told(tmp_path: Path) -> None:
    bad = range(1, setting_aside.PER_PAGE_MAX + 2)
    async with running(tmp_path, RULES) as agent:
        error = await tail_of(agent, Given(*lessons(*bad, facts=BEYOND))).run(follow=False)
        assert agent.pipeline.stands("moodle").position == 0
    assert isinstance(error, UnexpectedError)
    assert kept(tmp_path) == []


async def test_no_more_than_a_hundred_places_are_set_aside_in_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setting_aside, "PER_DAY_MAX", 2)
    async with running(tmp_path, RULES) as agent:
        source = Given(*lessons(1, 2, of=3, facts=BEYOND))
        tail = tail_of(agent, source)
        assert await tail.run(follow=False) is None
        source.seen = (an_observation(4, facts=BEYOND),)
        assert isinstance(await tail.run(follow=False), UnexpectedError)
        assert agent.pipeline.stands("moodle").position == 3
    assert [one.position for one in kept(tmp_path)] == [1, 2]


class Hindered:
    """A ledger on a machine that refuses for a while; then it takes what it is given."""

    def __init__(self, agent: Running, *errors: Exception) -> None:
        self._pipeline = agent.pipeline
        self._errors = list(errors)

    async def take(self, page: Page) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return await self._pipeline.take(page)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)


async def test_what_the_machine_refuses_sets_no_event_aside_and_all_are_paid_once_it_can(
    tmp_path: Path, written: io.StringIO
) -> None:
    errors = [
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("can't start new thread"),
        SystemError("error return without exception set"),
    ]
    async with running(tmp_path, RULES) as agent:
        tail = tail_of(agent, Given(*lessons(of=4)), Hindered(agent, *errors))
        assert await tail.run(follow=False) is None
        assert (agent.pipeline.stands("moodle").position, agent.balances()) == (4, {"35": 40})
    assert kept(tmp_path) == []
    told = [one for one in map(json.loads, written.getvalue().splitlines()) if one["event"] == "source_trouble"]
    assert len(told) == 4
    assert "LimitNOFILE=" in told[0]["do"]


class FailsOn(KindTable):
    """Kinds that fail on one event, as a bug would."""

    __slots__ = ()

    def kind_of(self, name: str, when: str = "") -> str | None:
        if name == LOGGED_IN:
            raise KeyError(name)
        return super().kind_of(name, when)


async def test_a_row_of_the_log_that_cannot_be_read_is_set_aside_by_its_id(tmp_path: Path) -> None:
    site, clock = SqliteSite(tmp_path / "moodle.db"), HandClock()
    logged(site, 1, 2, 4)
    logged(site, 3, eventname=LOGGED_IN)
    demand = wanting(VIEWED, LOGGED_IN)
    collector = LogstoreCollector(site.options(), clock, FailsOn)
    pages = await pages_of(collector, demand=demand)
    await collector.close()
    assert [seen.position for page in pages for seen in page.observations] == [1, 2, 4]
    (one,) = [one for page in pages for one in page.set_aside]
    assert (one.position, one.what) == (3, LOGGED_IN)
    assert one.fault.startswith("KeyError at agent/")
    assert pages[-1].state.position == 4


class Fragile:
    """The tool-trigger's mapping with a fault in it."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        if b'"objectid": "2"' in arrival.body:
            raise ZeroDivisionError
        return SYSTEMS["tool-trigger"].observations(arrival, kinds)


async def test_a_post_that_cannot_be_read_any_more_is_set_aside_by_its_number(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    for number in ("1", "2", "3"):
        await inbox.append("trigger", NOW, Evidence.bearer_token, json.dumps(a_post(objectid=number)).encode())
    options = InboxOptions(
        name="trigger", site="moodle", backdated_after_s=86_400, site_admins=frozenset(), awaits_log=False,
        pay_before_log=False, keep_s=86_400,
    )  # fmt: skip
    collector = InboxCollector(options, inbox, Fragile(), KindTable, ManualClock(NOW))
    demand = wanting(r"\core\event\course_module_completion_updated")
    (page,) = [page async for page in collector.pages(SourceState(), lambda: demand, follow=False)]
    await inbox.close()
    assert ([seen.object_id for seen in page.observations], page.state.position) == (["1", "3"], 3)
    (one,) = page.set_aside
    assert (one.position, one.what) == (2, "")
    assert "ZeroDivisionError" in one.fault
