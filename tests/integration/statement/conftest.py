"""The product's own catalogue on each database, listening, with a purse to spend from."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.catalogues import RealCatalogue, running_catalogue


@pytest.fixture(params=["sqlite", "postgresql"])
async def catalogue(
    request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path
) -> AsyncIterator[RealCatalogue]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as real:
        yield real


@pytest.fixture
async def small_catalogue(tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    """On SQLite alone, for what does not depend on the database."""
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    async with running_catalogue(tmp_path, url) as real:
        yield real
