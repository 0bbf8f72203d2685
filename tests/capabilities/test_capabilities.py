"""Each capability as the specification tells it: given these acts, expect these entries and these reasons."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.capabilities import story as told
from tests.capabilities.outcome import assert_sound, entries, untrue
from tests.capabilities.stage import Stage, stage
from tests.capabilities.story import Capability, Story

ROOT = Path(__file__).resolve().parents[2]
ALL = told.capabilities()
STORIES = [
    pytest.param(capability, story, id=f"{'+'.join(capability.ids)}: {story.name}")
    for capability in ALL
    for story in capability.stories
]


def spans(*parts: str) -> set[str]:
    """Ids from texts such as `S0-35..52`."""
    found = set()
    for part in parts:
        group, _, numbers = part.partition("-")
        first, _, last = numbers.partition("..")
        found |= {f"{group}-{number:02d}" for number in range(int(first), int(last or first) + 1)}
    return found


PROMISED = spans(
    *("S0-35..52", "S1-01..08", "S1-14..16", "S1-23..31", "S2-01..36", "S2-42..47", "S3-01..27", "S4-07..33"),
    *("M-04..08", "M-12", "M-16", "M-20"),
)
"""What the engine is to do, by the ids of the systems that it takes up."""


@pytest.mark.parametrize(("capability", "story"), STORIES)
def test_given_these_acts_these_are_the_entries_and_reasons(
    capability: Capability, story: Story, tmp_path: Path
) -> None:
    async def play(directory: Path, *, together: bool) -> Stage:
        async with stage(directory, capability.rules, shadow=story.shadow) as stood:
            await stood.play(story, together=together)
            before = entries(directory)
            await stood.again()
            assert entries(directory) == before, "a replay appends nothing"
            assert_sound(directory)
        return stood

    apart = asyncio.run(play(tmp_path / "apart", together=False))
    assert untrue(story, apart) == []
    if not story.apart:
        together = asyncio.run(play(tmp_path / "together", together=True))
        assert entries(together.data_dir) == entries(apart.data_dir), "wherever pages end"


def test_every_capability_that_is_promised_has_a_story_or_names_the_test_that_shows_it() -> None:
    shown = {name for capability in ALL if capability.stories for name in capability.ids} | set(told.elsewhere())
    others = set(told.of_other_rooms())
    assert sorted(PROMISED - shown - others) == []
    assert sorted(others - PROMISED) == []
    assert sorted(shown & others) == []


def test_what_is_shown_elsewhere_is_shown_by_tests_that_are_there() -> None:
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    named = {name for names in told.elsewhere().values() for name in names}
    assert all(told.elsewhere().values())
    assert named - there == set()
