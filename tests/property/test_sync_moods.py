"""Any sequence of moods, writes, restarts and restored backups ends with everything delivered once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.outbox.sync import Step
from tests.effort import examples
from tests.fakes import FakeCatalogue, ManualClock, Mood
from tests.outboxes import Delivering, delivering
from tests.wire_builders import CAMPUS, entries

QUIET = [mood for mood in Mood if mood is not Mood.slow]
"""The slow mood differs from the mute one only by the second that it takes."""
NEVER_ACKNOWLEDGE = {Mood.down, Mood.error, Mood.busy, Mood.half, Mood.mute, Mood.forged, Mood.unsigned, Mood.replayed}

ACTS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 40)),
    st.tuples(st.just("mood"), st.sampled_from(QUIET)),
    st.tuples(st.just("step"), st.integers(1, 3)),
    st.tuples(st.just("ask"), st.none()),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("backup"), st.none()),
    st.tuples(st.just("restore"), st.none()),
)


class Story:
    """One agent, one fake, one sequence of acts."""

    def __init__(self, directory: Path, fake: FakeCatalogue, clock: ManualClock) -> None:
        self.directory = directory
        self.fake = fake
        self.clock = clock
        self.written = 0
        self.backup = fake.backup()

    async def play(self, acts: list[tuple[str, Any]], token: str) -> None:
        """The acts, split where the agent restarts; then calm weather."""
        lives: list[list[tuple[str, Any]]] = [[]]
        for act in acts:
            lives[-1].append(act)
            if act[0] == "restart":
                lives.append([])
        for number, life in enumerate(lives):
            async with delivering(self.directory, self.fake.url, "" if number else token, clock=self.clock) as agent:
                if not number:
                    self.backup = self.fake.backup()
                agent.written = self.written
                for name, what in life:
                    await self.act(agent, name, what)
                self.written = agent.written
        self.fake.mood = Mood.normal
        async with delivering(self.directory, self.fake.url, clock=self.clock) as agent:
            assert await agent.drain()
            assert agent.standing()["acked_seq"] == self.written
            assert agent.standing()["fault"] == agent.standing()["last_error"] == ""

    async def act(self, agent: Delivering, name: str, what: Any) -> None:
        match name:
            case "write":
                await agent.write(what)
            case "mood":
                self.fake.mood = what
            case "ask":
                await agent.outbox.check_stand(limit_s=60)
            case "backup":
                self.backup = self.fake.backup()
            case "restore":
                self.fake.restore(self.backup)
            case "step":
                for _ in range(what):
                    await self.step(agent)

    async def step(self, agent: Delivering) -> None:
        before = agent.standing()
        came = await agent.outbox.step(limit_s=60)
        after = agent.standing()
        if self.fake.mood in NEVER_ACKNOWLEDGE:
            assert came in {Step.failed, Step.idle, Step.fault, Step.moved}
            assert came is Step.moved or after["acked_seq"] == before["acked_seq"]
        if self.fake.mood is Mood.foreign:
            assert came in {Step.fault, Step.idle}
            assert after["acked_seq"] == before["acked_seq"]
        self.clock.at += 5


async def play(acts: list[tuple[str, Any]], directory: Path) -> tuple[int, list[bytes], int]:
    """How many entries were written, those that arrived, and what all wallets hold."""
    clock = ManualClock()
    fake = FakeCatalogue(directory, now=clock.now)
    await fake.start()
    try:
        data_dir = directory / "agent"
        data_dir.mkdir()
        story = Story(data_dir, fake, clock)
        await story.play(acts, await fake.add_tenant(CAMPUS))
        return story.written, fake.books[CAMPUS, "agent-1"].entries, sum((await fake.wallets(CAMPUS)).values())
    finally:
        await fake.stop()


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTS, max_size=14))
def test_whatever_happens_on_the_way_everything_arrives_once(acts: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        written, arrived, held = asyncio.run(play(acts, Path(name)))
    assert (arrived, held) == (entries(1, written), 10 * written)
