"""A shop at the centre, on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.redemption.shop import Shop, a_shop
from tests.servers import PostgresDatabase


@pytest.fixture
async def shop(tmp_path: Path, catalogue_database: PostgresDatabase) -> AsyncIterator[Shop]:
    async with a_shop(tmp_path, url=catalogue_database.dsn) as made:
        yield made
