"""Rules that were tried in shadow and then made live: what was complete is paid when somebody says so, and then once.

What a backfill pays is what the same rules, live from the beginning, would have paid, wherever its pages end.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.backfill import reading as backfill_reading
from agent.ledger import file, reading
from tests.capabilities.stage import Stage, stage
from tests.capabilities.story import Story
from tests.effort import examples

FIRST = datetime(2026, 9, 7)  # noqa: DTZ001 - of the institution's clock, a Monday
NAMES = ("rounds", "path", "days", "first")
LIMITED = (*NAMES, "capped")
LIVE = """schema = 1
timezone = "UTC"
[[challenge]]
id = "rounds"
award = 30
repeat = true
  [[challenge.step]]
  on = "lesson.completed"
  count = 3
[[challenge]]
id = "path"
award = 20
  [[challenge.step]]
  on = "lesson.completed"
  count = 7
[[rule]]
id = "days"
on = "lesson.completed"
streak = { days = 2, repeat = true }
award = 4
[[rule]]
id = "first"
on = "lesson.completed"
first = true
award = 1
"""
CAPPED = """[[rule]]
id = "capped"
on = "lesson.completed"
streak = { days = 2, repeat = true }
award = 5
limit = "1/week"
"""
ACTS = st.lists(st.tuples(st.sampled_from(["ann", "ben"]), st.integers(1, 40)), min_size=1, max_size=24)
"""Who did something, and how many hours after the act before it."""

Paid = tuple[str, str, int, int]
"""(learner, rule, time, amount)."""


def tried(rules: str) -> str:
    return rules.replace("award =", 'mode = "shadow"\naward =')


def told(acts: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    given, at = [], FIRST
    for who, hours in acts:
        at += timedelta(hours=hours)
        given.append({"learner": who, "kind": "lesson.completed", "at": at})
    return given


async def play(stood: Stage, *given: dict[str, Any]) -> None:
    await stood.play(Story(name="", given=list(given)), together=False)


async def backfilled(stood: Stage, names: Sequence[str], at_once: int) -> None:
    """Page by page, as the command does it."""
    with_pages, backfill_reading.EVENTS_AT_ONCE = backfill_reading.EVENTS_AT_ONCE, at_once
    try:
        for name in names:
            cursor = None
            while True:
                page = await stood.operations.table()["rules.backfill"](
                    rule=name,
                    since=0,
                    until=2**40,
                    source="",
                    compensate=False,
                    by="B. Desk",
                    version=stood.pipeline.rulebook.version,
                    cursor=cursor,
                )
                cursor = page["cursor"]
                if cursor is None:
                    break
    finally:
        backfill_reading.EVENTS_AT_ONCE = with_pages


def paid(data_dir: Path) -> list[Paid]:
    with file.reading(data_dir) as connection:
        fields = [(row.learner, row.fields) for row in reading.entries(connection)]
    return sorted((who, each["rule"], each["occurred_at"], each["amount"]) for who, each in fields)


async def from_the_beginning(rules: str, acts: Sequence[dict[str, Any]]) -> list[Paid]:
    with tempfile.TemporaryDirectory() as room:
        async with stage(Path(room), rules, shadow=False) as stood:
            await play(stood, *acts)
        return paid(Path(room))


@settings(max_examples=examples(12), deadline=None)
@given(ACTS, st.integers(1, 6))
def test_what_was_only_tried_is_paid_as_if_it_had_been_live_wherever_pages_end(
    acts: list[tuple[str, int]], at_once: int
) -> None:
    async def story() -> None:
        rules, given = LIVE + CAPPED, told(acts)
        with tempfile.TemporaryDirectory() as room:
            async with stage(Path(room), tried(rules), shadow=False) as stood:
                await play(stood, *given)
                assert paid(Path(room)) == []
                await play(stood, {"do": "rules", "text": rules})
                await backfilled(stood, LIMITED, at_once)
                whole = paid(Path(room))
                await backfilled(stood, LIMITED, at_once)
                assert paid(Path(room)) == whole, "a second time changes nothing"
        assert whole == await from_the_beginning(rules, given)

    asyncio.run(story())


@settings(max_examples=examples(12), deadline=None)
@given(ACTS, ACTS, ACTS, st.integers(1, 6))
def test_going_live_pays_for_nothing_that_was_complete_and_trying_again_takes_nothing_away(
    before: list[tuple[str, int]], live: list[tuple[str, int]], after: list[tuple[str, int]], at_once: int
) -> None:
    async def story() -> None:
        given = told([*before, *live, *after])
        tried_first, then_live, tried_again = (
            given[: len(before)],
            given[len(before) : len(before) + len(live)],
            given[len(before) + len(live) :],
        )
        due = await from_the_beginning(LIVE, given)
        with tempfile.TemporaryDirectory() as room:
            async with stage(Path(room), tried(LIVE), shadow=False) as stood:
                await play(stood, *tried_first, {"do": "rules", "text": LIVE}, *then_live)
                ends = {int(one["at"].replace(tzinfo=UTC).timestamp()) for one in then_live}
                assert paid(Path(room)) == [one for one in due if one[2] in ends]
                await play(stood, {"do": "rules", "text": tried(LIVE)}, *tried_again, {"do": "rules", "text": LIVE})
                await backfilled(stood, NAMES, at_once)
                assert counted(paid(Path(room))) == counted(due)

    asyncio.run(story())


def counted(found: list[Paid]) -> Counter[tuple[str, str]]:
    return Counter((who, rule) for who, rule, _, _ in found)
