"""A shop on each database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.redemption.shop import Shop, a_shop, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue."""
    path = tmp_path_factory.mktemp("shop") / "template.db"
    asyncio.run(make_template(path))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> AsyncIterator[Shop]:
    if request.param == "postgresql":
        async with a_shop(tmp_path, url=request.getfixturevalue("postgres_database").dsn) as made:
            yield made
    else:
        async with a_shop(tmp_path, template=template) as made:
            yield made
