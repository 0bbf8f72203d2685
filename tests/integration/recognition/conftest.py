"""Campuses whose learners recognise each other: on each database, over real HTTP."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.integration.recognition.people import Program, open_campus

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, catalogue_file: Path
) -> Iterator[str]:
    """One for all tests of a module: each has a campus of its own in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(catalogue_file, tmp_path_factory.mktemp('recognition') / 'books.db')}"
        return
    made = request.getfixturevalue("postgres").create_database(like=request.getfixturevalue("_catalogue_template"))
    yield made.dsn
    made.drop()


@pytest.fixture
async def real(database: str, tmp_path: Path) -> AsyncIterator[RealCatalogue]:
    async with running_catalogue(tmp_path, database) as made:
        yield made


@pytest.fixture
async def lms(real: RealCatalogue) -> AsyncIterator[Program]:
    async with aiohttp.ClientSession() as session:
        made = Program(real, session, await open_campus(real, f"uni-{next(NUMBERS)}"))
        await made.enter()
        yield made
