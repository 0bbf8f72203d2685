"""What every collector promises, whatever it reads: order, replay, crash, bad input, duplicates, bounds, and trust."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from agent.collectors.base import Collector
from agent.config.settings import PostKind
from agent.model import Demand, Evidence, Page, SourceState
from tests.contract.ways import WAYS, WayIn, learners
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.rule_stories import rule, rulebook

BELIEVED: Mapping[Evidence, str] = {
    Evidence.database_row: "server_verified",
    Evidence.web_service: "trusted_source",
    Evidence.signature: "trusted_source",
    Evidence.bearer_token: "trusted_source",
    Evidence.file: "trusted_source",
}


@pytest.fixture(params=WAYS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def demand_of(way: WayIn) -> Demand:
    """Rules that wait for its acts."""
    return rulebook(rule(way.kind, 'once_per = "event"')).demand


async def pages_of(way: WayIn, state: SourceState | None = None) -> list[Page]:
    """What an agent that has just started reads, to the end."""
    collector: Collector = way.collector()
    try:
        demand = demand_of(way)
        return [page async for page in collector.pages(state or SourceState(start_at=0), lambda: demand, follow=False)]
    finally:
        await collector.close()


def keys(*pages: Page) -> list[tuple[str, ...]]:
    return [tuple(seen.natural_key) for page in pages for seen in page.observations]


def test_every_kind_of_source_is_held_to_this_contract() -> None:
    assert set(WAYS) == {"moodle-logstore", "state tables", "moodle-ws", "csv", *get_args(PostKind)}


async def test_what_happened_is_told_in_order_a_bounded_page_at_a_time_and_then_no_more(
    name: str, tmp_path: Path
) -> None:
    async with WAYS[name](tmp_path) as way:
        *_, nothing = await pages_of(way)
        assert (list(nothing.observations), nothing.caught_up) == ([], True)
        await way.tell(1, 2, 3, 4, 5)
        pages = await pages_of(way, nothing.state)
        assert [act for page in learners(pages) for act in page] == [1, 2, 3, 4, 5]
        assert max(len(page.observations) for page in pages) <= way.page_max
        assert [page.caught_up for page in pages][-1:] == [True]
        assert {page.source for page in pages} == {way.collector().name}
        seen = [one for page in pages for one in page.observations]
        assert {(one.kind, one.evidence) for one in seen} == {(way.kind, way.evidence)}
        positions = [one.position for one in seen]
        assert positions == sorted(set(positions))
        assert [page.state.position for page in pages] == sorted(page.state.position for page in pages)
        more = await pages_of(way, pages[-1].state)
        assert set(keys(*more)) <= (set(keys(*pages)) if way.walks else set())
        assert way.walks or more[-1].state.position == pages[-1].state.position


async def test_an_agent_that_dies_after_any_page_has_lost_nothing(name: str, tmp_path: Path) -> None:
    async with WAYS[name](tmp_path) as way:
        *_, nothing = await pages_of(way)
        await way.tell(1, 2, 3, 4, 5)
        pages = await pages_of(way, nothing.state)
        assert len(pages) >= 3
        for last in (0, len(pages) // 2, len(pages) - 2):
            after = await pages_of(way, pages[last].state)
            assert list(dict.fromkeys([*keys(*pages[: last + 1]), *keys(*after)])) == keys(*pages)


async def test_what_is_told_again_is_the_same_fact(name: str, tmp_path: Path) -> None:
    async with WAYS[name](tmp_path) as way:
        *_, nothing = await pages_of(way)
        await way.tell(1, 2, 3)
        first = await pages_of(way, nothing.state)
        await way.again(3, 1, 2)
        again = await pages_of(way, first[-1].state)
        assert len(set(keys(*first))) == 3
        assert set(keys(*again)) <= set(keys(*first))


async def test_what_cannot_be_read_stops_nothing_behind_it_and_is_no_fact(name: str, tmp_path: Path) -> None:
    async with WAYS[name](tmp_path) as way:
        *_, nothing = await pages_of(way)
        await way.tell(1, 2)
        await way.spoil()
        await way.tell(3)
        pages = await pages_of(way, nothing.state)
        assert sorted(act for page in learners(pages) for act in page) == [1, 2, 3]
        assert pages[-1].caught_up
        aside = [one.fault for page in pages for one in page.set_aside]
        assert len(aside) == pages[-1].state.counts.get("posts_unreadable", 0) == way.aside


async def test_an_agent_that_dies_between_page_and_position_pays_each_act_once_as_it_is_believed(
    name: str, tmp_path: Path
) -> None:
    async with WAYS[name](tmp_path) as way, running(tmp_path / "data", rule(way.kind, 'once_per = "event"')) as at:
        await take_dying(way, at)
        await way.tell(1, 2, 3)
        await take_dying(way, at)
        await way.again(2, 3)
        await way.tell(4)
        await take_dying(way, at)
        assert sorted(at.balances().values()) == [10, 10, 10, 10]
        trusts = rows(at.data_dir, "SELECT DISTINCT CAST(body AS TEXT) ->> 'trust' FROM entry")
        assert trusts == [(BELIEVED[way.evidence],)]


async def take_dying(way: WayIn, at: Running) -> None:
    """Record all there is, by agents that each read a page for nothing, and then read and record one."""
    told: set[tuple[str, ...]] = set()
    caught_up = False
    while not caught_up:
        await next_page(way, at, told)
        page = await next_page(way, at, told)
        await at.pipeline.take(page)
        told.update(keys(page))
        caught_up = page.caught_up


async def next_page(way: WayIn, at: Running, told: set[tuple[str, ...]]) -> Page:
    """The first page that an agent which has just started reads; a walk begins anew, and comes to the next it tells."""
    collector = way.collector()
    pages = collector.pages(at.pipeline.stands(collector.name), at.pipeline.demand, follow=False)
    page = await anext(pages)
    while way.walks and not page.caught_up and set(keys(page)) <= told:
        page = await anext(pages)
    await pages.aclose()  # type: ignore[attr-defined]
    await collector.close()
    return page
