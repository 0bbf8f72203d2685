"""Posts and rows of the same acts, in any order, any pages, any number of times: paid once, as if by the log alone."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Observation
from tests.effort import examples
from tests.pipelines import running
from tests.rule_stories import rule
from tests.unit.ledger.test_second_sightings import a_post, a_row

RULES = rule(more='limit = "2/day"')
ACTS = 4


def sightings(number: int) -> tuple[tuple[str, Observation], tuple[str, Observation]]:
    return ("moodle", a_row(number)), ("trigger", a_post(number))


@settings(max_examples=examples(40))
@given(
    deliveries=st.lists(st.tuples(st.integers(1, ACTS), st.booleans()), min_size=1, max_size=14),
    cuts=st.lists(st.booleans(), min_size=14, max_size=14),
)
def test_the_ledger_ends_as_if_the_log_alone_had_told(deliveries: list[tuple[int, bool]], cuts: list[bool]) -> None:
    async def told(everything: bool) -> tuple[dict[str, int], int]:
        with tempfile.TemporaryDirectory() as directory:
            async with running(Path(directory), RULES) as at:
                waiting: list[Observation] = []
                for (number, posted), cut in zip(deliveries, cuts, strict=False):
                    source, seen = sightings(number)[posted]
                    if posted and everything:
                        await at.take(seen, source=source)
                    elif not posted:
                        waiting.append(seen)
                        if cut:
                            await at.take(*waiting)
                            waiting = []
                if waiting:
                    await at.take(*waiting)
                return at.balances(), len(at.entries())

    assert asyncio.run(told(everything=True)) == asyncio.run(told(everything=False))
