"""Rows, their posts and posts that lack a part of their key, in any order and any pages: paid as by the log alone."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Observation
from tests.builders import an_observation
from tests.effort import examples
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import rule
from tests.unit.ledger.test_second_sightings import a_post, a_row

RULES = rule(more='once_per = "event"')
ACTS = 3
"""The last two share everything but what the short posts lack."""


def row(number: int) -> Observation:
    seen = a_row(min(number, 2))
    return seen if number < ACTS else replace(seen, natural_key=("twin",), lesson="twin", position=ACTS)


def whole(number: int) -> Observation:
    seen = row(number)
    return replace(a_post(min(number, 2)), natural_key=seen.natural_key, lesson=seen.lesson)


def short(number: int) -> Observation:
    seen = replace(an_observation(min(number, 2), source="trigger", position=9), lesson=None)
    return replace(
        seen,
        natural_key=("short", str(number)),
        evidence=whole(number).evidence,
        marks=seen.marks | {"unconfirmed", "partial"},
    )


def empty(number: int) -> Observation:
    """What it lacks is nothing (the system has no context instance): its key is the whole one all the same."""
    return replace(short(number), natural_key=row(number).natural_key)


SIGHTINGS = {
    "row": ("moodle", row),
    "whole": ("trigger", whole),
    "short": ("trigger", short),
    "empty": ("trigger", empty),
}


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(st.integers(1, ACTS), st.sampled_from(sorted(SIGHTINGS))), min_size=1, max_size=12))
def test_any_interleaving_pays_what_the_log_alone_pays(deliveries: list[tuple[int, str]]) -> None:
    async def told(*sorts: str) -> tuple[dict[str, int], int]:
        with tempfile.TemporaryDirectory() as directory:
            async with running(Path(directory), RULES) as at:
                for number, sort in deliveries:
                    source, seen = SIGHTINGS[sort]
                    if sort in sorts:
                        await at.take(seen(number), source=source)
                return at.balances(), len(at.entries())

    assert asyncio.run(told(*SIGHTINGS)) == asyncio.run(told("row"))


@settings(max_examples=examples(40))
@given(
    st.sampled_from(["short", "empty"]).flatmap(lambda sort: st.permutations(["row", sort, sort, "row"])), st.booleans()
)
def test_a_short_post_and_its_row_end_alike_whichever_comes_first(order: list[str], confirmed: bool) -> None:
    async def told() -> tuple[int, list[str]]:
        with tempfile.TemporaryDirectory() as directory:
            async with running(Path(directory), RULES) as at:
                for sort in order:
                    source, seen = SIGHTINGS[sort]
                    one = seen(1)
                    marks = one.marks - ({"unconfirmed"} if confirmed else frozenset())
                    await at.take(replace(one, marks=marks), source=source)
                return len(at.entries()), [state for (state,) in rows(at.data_dir, "SELECT state FROM hold")]

    entries, held = asyncio.run(told())
    assert entries == 1
    assert "open" not in held
