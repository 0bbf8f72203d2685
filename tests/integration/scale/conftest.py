"""A catalogue on each database, and a campus that posts when it is told."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from catalogue.store import Store
from tests.integration.scale.campus import Campus
from tests.servers import PostgresDatabase
from wire import keys


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    opened = await Store.open(make_url(url))
    yield opened
    await opened.close()


@pytest.fixture
async def parted(catalogue_database: PostgresDatabase) -> AsyncIterator[Store]:
    """On PostgreSQL alone."""
    opened = await Store.open(make_url(catalogue_database.dsn))
    yield opened
    await opened.close()


@pytest.fixture
async def campus(store: Store, tmp_path: Path) -> Campus:
    return await Campus.made(store, keys.create(tmp_path / "catalogue.ed25519"))


@pytest.fixture
async def parted_campus(parted: Store, tmp_path: Path) -> Campus:
    return await Campus.made(parted, keys.create(tmp_path / "catalogue.ed25519"))
