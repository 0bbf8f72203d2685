"""An open, empty ledger for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import ledgers


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[ledgers.Ledger]:
    """Empty and open, in a directory of its own."""
    async with ledgers.opened(tmp_path / "data") as opened:
        yield opened
