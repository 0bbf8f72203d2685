"""Money over time by chance: what is left, until when, and what is owed is what a plain reading says, at both ends."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from tests.effort import examples
from tests.oracle.money import Story, told, told_at_both_ends

OFTEN = (Story.earn, Story.earn, Story.earn, Story.wait)
ACTS = (*OFTEN, *OFTEN, Story.wait, Story.undo, Story.adjust, Story.adjust, Story.reverse, Story.change, Story.look)
ALONE = (*ACTS, *ACTS, Story.merge)
AT_BOTH = (*ACTS, *(Story.spend,) * 4, Story.refund, Story.refund, Story.sync, Story.sync)


async def _play(story: Story, acts: Sequence[Callable[[Story, Random], Awaitable[None]]], chance: Random) -> None:
    for number in range(chance.choice([6, 15, 40])):
        story.made = number
        await chance.choice(acts)(story, chance)


@pytest.mark.parametrize("seed", range(examples(40)))
async def test_what_is_left_at_an_agent_alone_is_what_a_plain_reading_says(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    async with told(tmp_path, chance) as story:
        await _play(story, ALONE, chance)
        shown, read = await story.settled()
    assert shown == read


@pytest.mark.parametrize("seed", range(examples(20)))
async def test_what_is_left_at_both_ends_is_what_a_plain_reading_says(
    seed: int, tmp_path: Path, catalogue_file: Path
) -> None:
    chance = Random(seed)
    shutil.copy(catalogue_file, tmp_path / "books.db")
    async with told_at_both_ends(tmp_path, chance) as story:
        await _play(story, AT_BOTH, chance)
        shown, read = await story.settled()
    assert shown == read
