"""A shop on each database, and a catalogue that listens."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.integration.redemption.shop import Shop, a_shop


@pytest.fixture(params=["sqlite", "postgresql"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[Shop]:
    if request.param == "postgresql":
        async with a_shop(tmp_path, url=request.getfixturevalue("catalogue_database").dsn) as made:
            yield made
    else:
        async with a_shop(tmp_path, template=catalogue_file) as made:
            yield made


@pytest.fixture
async def catalogue(tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    async with running_catalogue(tmp_path, f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}") as made:
        yield made
