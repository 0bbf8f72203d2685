"""A ranking of a week is the same whatever order its facts arrive in, wherever pages end, and whenever it is looked."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Observation
from tests.effort import examples
from tests.pipelines import pages
from tests.rule_stories import at, event
from tests.schedules import RULES, SUNDAY, office

MONDAY = at("2026-09-07T00:00:00")
ACTS = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3", "4", "5"]), st.integers(1, 6), st.integers(-2 * 86_400, 9 * 86_400)),
    max_size=30,
)
PLACES = (50, 30, 10)


def expected(seen: list[Observation]) -> dict[str, list[int]]:
    """Two weeks; places are passed over where they are shared."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for begin in (MONDAY - 7 * 86_400, MONDAY):
        points = Counter(one.people["subject"] for one in seen if begin <= one.occurred_at < begin + 7 * 86_400)
        for who, count in points.items():
            place = sum(other > count for other in points.values())
            if place < len(PLACES):
                found[who].append(PLACES[place])
    return found


async def prizes(seen: list[Observation], cuts: list[int], looks: int) -> dict[str, list[int]]:
    with tempfile.TemporaryDirectory() as directory:
        async with office(Path(directory), RULES, now=MONDAY) as here:
            for number, page in enumerate(pages(seen, cuts)):
                await here.take(page)
                if number < looks:
                    await here.scheduler.look()
            await here.decide(SUNDAY + 36 * 3600)
            first = here.prizes()
            await here.decide(SUNDAY + 40 * 3600)
            assert here.prizes() == first
            return first


@given(ACTS, st.randoms(use_true_random=False), st.lists(st.integers(1, 29), max_size=4), st.integers(0, 4))
@settings(max_examples=examples(25), deadline=None)
def test_any_order_of_arrival_before_settle_is_over_gives_the_same_winners(
    acts: list[tuple[str, int, int]], shuffled: random.Random, cuts: list[int], looks: int
) -> None:
    # Of two completions of a lesson the one that arrives first is paid: here each is done once.
    once = {(who, lesson): after for who, lesson, after in acts}
    seen = [
        event("lesson.completed", MONDAY + after, who, lesson=str(lesson)).seen
        for (who, lesson), after in sorted(once.items())
    ]
    wanted = expected(seen)
    shuffled.shuffle(seen)
    assert asyncio.run(prizes(seen, cuts, looks)) == wanted
