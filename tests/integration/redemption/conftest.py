"""A shop on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.redemption.shop import Shop, a_shop


@pytest.fixture(params=["sqlite", "postgresql"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[Shop]:
    if request.param == "postgresql":
        async with a_shop(tmp_path, url=request.getfixturevalue("catalogue_database").dsn) as made:
            yield made
    else:
        async with a_shop(tmp_path, template=catalogue_file) as made:
            yield made
