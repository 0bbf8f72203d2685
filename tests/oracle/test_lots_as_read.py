"""Money over time by chance: what is left, until when, and what is owed is what a plain reading says, at both ends."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from tests.effort import examples
from tests.oracle.money import Story, told, told_at_both_ends

OFTEN = (Story.earn, Story.earn, Story.wait)
ALONE = (*OFTEN, *OFTEN, Story.undo, Story.adjust, Story.adjust, Story.reverse, Story.change, Story.look)
SPENDING = (Story.spend, Story.spend, Story.refund, Story.undo)
AT_BOTH = (*OFTEN, *OFTEN, *SPENDING, *SPENDING, Story.adjust, Story.reverse, Story.change, Story.look, Story.sync)


async def _play(story: Story, acts: Sequence[Callable[[Story, Random], Awaitable[None]]], chance: Random) -> None:
    for _ in range(chance.choice([8, 16])):
        story.made += 1
        await chance.choice(acts)(story, chance)


@pytest.mark.parametrize("seed", range(examples(45)))
async def test_what_is_left_at_an_agent_alone_is_what_a_plain_reading_says(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    async with told(tmp_path, chance) as story:
        for merges in (False, chance.random() < 0.5, False):
            await _play(story, ALONE, chance)
            if merges:
                await story.merge(chance)
            shown, read = await story.settled()
            assert shown == read


@pytest.mark.parametrize("seed", range(examples(30)))
async def test_what_is_left_at_both_ends_is_what_a_plain_reading_says(
    seed: int, tmp_path: Path, catalogue_file: Path
) -> None:
    chance = Random(seed)
    shutil.copy(catalogue_file, tmp_path / "books.db")
    async with told_at_both_ends(tmp_path, chance) as story:
        for _ in range(4):
            await _play(story, AT_BOTH, chance)
            shown, read = await story.settled()
            assert shown == read
