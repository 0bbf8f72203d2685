"""One agent, one fake catalogue, one clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes import FakeCatalogue, ManualClock
from tests.outboxes import Delivering, delivering
from tests.wire_builders import CAMPUS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def fake(tmp_path: Path, clock: ManualClock) -> AsyncIterator[FakeCatalogue]:
    made = FakeCatalogue(tmp_path, now=clock.now)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def agent(tmp_path: Path, fake: FakeCatalogue, clock: ManualClock) -> AsyncIterator[Delivering]:
    data_dir = tmp_path / "agent"
    data_dir.mkdir()
    async with delivering(data_dir, fake.url, await fake.add_tenant(CAMPUS), clock=clock) as made:
        yield made


async def points(fake: FakeCatalogue) -> int:
    """Everything in all wallets."""
    return sum((await fake.wallets(CAMPUS)).values())
