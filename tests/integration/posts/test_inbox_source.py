"""The inbox as a source, page by page, into a real ledger."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from agent.collectors.inbox.collector import PAGE_EVENTS_MAX, InboxCollector, InboxOptions
from agent.collectors.inbox.store import READ_BYTES_MAX, Inbox
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Demand, Evidence, Page, SourceState
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.posts import a_post

WANTED = Demand(
    rules_version="v",
    names=frozenset({r"\core\event\course_module_completion_updated"}),
    suffixes=frozenset(),
    facts=frozenset(),
    patterns=frozenset({"submission.*"}),
)


def collector(inbox: Inbox, clock: ManualClock, kind: str = "tool-trigger", *, keep_s: int = 86_400) -> InboxCollector:
    options = InboxOptions(
        name="trigger", site="moodle", backdated_after_s=86_400, site_admins=frozenset(), awaits_log=False,
        pay_before_log=False, keep_s=keep_s,
    )  # fmt: skip
    return InboxCollector(options, inbox, SYSTEMS[kind], KindTable, clock)


async def posted(inbox: Inbox, *numbers: int, source: str = "trigger") -> None:
    for number in numbers:
        body = json.dumps(a_post(objectid=str(number))).encode()
        await inbox.append(source, NOW, Evidence.bearer_token, body)


async def pages(source: InboxCollector, state: SourceState | None = None) -> list[Page]:
    return [page async for page in source.pages(state or SourceState(), lambda: WANTED, follow=False)]


async def test_the_posts_of_others_are_not_read(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    await posted(inbox, 1, 2)
    await posted(inbox, 9, source="another")
    await posted(inbox, 3)
    (page,) = await pages(collector(inbox, ManualClock(NOW)))
    assert [(seen.position, seen.object_id) for seen in page.observations] == [(1, "1"), (2, "2"), (4, "3")]
    assert page.state.counts["posts_read"] == 3
    await inbox.close()


async def test_a_page_ends_with_the_post_that_fills_it_however_many_events_posts_tell(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    many = PAGE_EVENTS_MAX // 2 - 1
    for post in range(5):
        told = [
            {"event": "submission.received", "occurred_at": NOW, "user": f"{post}-{number}"} for number in range(many)
        ]
        await inbox.append("trigger", NOW, Evidence.bearer_token, json.dumps(told).encode())
    found = await pages(collector(inbox, ManualClock(NOW), "generic"))
    assert [len(page.observations) for page in found] == [3 * many, 2 * many]
    assert [(page.state.position, page.caught_up) for page in found] == [(3, False), (5, True)]
    assert found[-1].state.counts["posts_read"] == 5
    await inbox.close()


async def test_large_posts_are_not_all_read_into_memory_at_once(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    large = json.dumps({**a_post(), "more": "x" * (READ_BYTES_MAX // 2)}).encode()
    for _ in range(3):
        await inbox.append("trigger", NOW, Evidence.bearer_token, large)
    await posted(inbox, 4)
    assert [post.number for post in await inbox.after("trigger", 0, 10)] == [1, 2]
    found = await pages(collector(inbox, ManualClock(NOW)))
    assert [(page.state.position, page.caught_up) for page in found] == [(2, False), (4, True)]
    await inbox.close()


async def test_what_no_rule_waits_for_is_counted_and_a_kind_is_enough_to_be_wanted(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    for kind in ("submission.received", "course.viewed"):
        event = {"event": kind, "occurred_at": NOW, "user": "7"}
        await inbox.append("trigger", NOW, Evidence.bearer_token, json.dumps(event).encode())
    (page,) = await pages(collector(inbox, ManualClock(NOW), "generic"))
    assert [seen.kind for seen in page.observations] == ["submission.received"]
    assert dict(page.state.counts) == {"posts_read": 2, "events_unwanted": 1}
    await inbox.close()


async def test_following_wakes_with_a_post_and_removes_what_was_read_long_ago(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    clock = ManualClock(NOW)
    await posted(inbox, 1)
    source = collector(inbox, clock, keep_s=100)
    following = source.pages(SourceState(), lambda: WANTED, follow=True)
    first = await anext(following)
    clock.at += 4_000
    later = asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(posted(inbox, 2)))
    second = await asyncio.wait_for(anext(following), 60)
    assert not later.cancelled()
    assert [len(page.observations) for page in (first, second)] == [1, 1]
    assert [kept.number for kept in await inbox.after("trigger", 0, 10)] == [2]
    await following.aclose()  # type: ignore[attr-defined]
    await inbox.close()


async def test_a_reader_that_is_told_to_stop_as_something_arrives_stops(tmp_path: Path) -> None:
    """It went on as if nobody had said so, and the agent waited a minute for it."""
    inbox = await Inbox.open(tmp_path)
    arrived = inbox.arrived("trigger")
    for turns in range(5):
        found = collector(inbox, ManualClock(NOW)).pages(SourceState(), lambda: WANTED, follow=True)
        await anext(found)
        coming = asyncio.ensure_future(anext(found))
        await asyncio.wait([coming], timeout=0.1)  # until it waits for posts
        arrived.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        coming.cancel()
        await asyncio.wait([coming], timeout=60)
        assert coming.cancelled(), turns
    await inbox.close()
