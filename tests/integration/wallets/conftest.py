"""A catalogue on each database, and an agent's hand that delivers with terms."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.integration.wallets.bank import Bank
from tests.wire_builders import CAMPUS


@pytest.fixture(params=["sqlite", "postgresql"])
async def real(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as made:
        yield made


@pytest.fixture
async def bank(real: RealCatalogue, tmp_path: Path) -> AsyncIterator[Bank]:
    hand = Hand(real, tmp_path)
    await hand.enrol(await real.add_tenant(CAMPUS))
    yield Bank(real, hand)
    await hand.client.close()
