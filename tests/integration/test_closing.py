"""A campus that was closed: nothing comes from it any more, for good, and its books stay."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import books, tenants
from catalogue.api import tokens
from catalogue.app import wall_clock
from catalogue.errors import CatalogueError, RefusedError
from catalogue.finance import closing
from catalogue.funding import months
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.integration.operator import Operator
from tests.integration.redemption.shop import a_shop
from tests.wire_builders import CAMPUS, entries

NEVER = 2**40


@pytest.fixture(params=["sqlite", "postgresql"])
async def real(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as made:
        yield made


async def test_a_closed_campus_delivers_enrols_and_reads_nothing_and_its_books_are_exported_and_verify(
    real: RealCatalogue, tmp_path: Path
) -> None:
    hand, late = (Hand(real, tmp_path) for _ in range(2))
    await hand.enrol(await real.add_tenant(CAMPUS))
    await hand.deliver(entries(1, 5))
    given = await real.add_tenant(CAMPUS)
    async with real.store.writing() as conn:
        bearer = await tokens.add(conn, CAMPUS, "bi", ["ledger:read"], expires_at=NEVER, by="test", now=1)
    await real.set_state(CAMPUS, "closed")
    answers = [await hand.send(hand.seal(entries(6, 7))), await late.enrol(given)]
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {bearer}"}) as session,
        session.get(f"{real.url}/api/rewards/ledger") as asked,
    ):
        assert (asked.status, (await asked.json())["error"]) == (403, "closed")
    for answer in answers:
        assert answer.status == 403
        assert b'"closed"' in answer.body
    async with real.store.reading() as conn:
        assert [row.seq async for row in books.entries(conn, CAMPUS)] == [1, 2, 3, 4, 5]
        assert (await closing.shown(conn, CAMPUS, months.month_of(wall_clock(), "UTC"))).lines
    assert await real.faults() == []
    for one in (hand, late):
        await one.client.close()


@pytest.mark.parametrize(
    "wish",
    [
        lambda conn: tenants.set_tenant_state(conn, CAMPUS, "active"),
        lambda conn: tenants.set_tenant_state(conn, CAMPUS, "suspended"),
        lambda conn: tenants.new_token(conn, CAMPUS, "f", expires_at=NEVER),
        lambda conn: tokens.add(conn, CAMPUS, "bi", ["ledger:read"], expires_at=NEVER, by="test", now=1),
    ],
)
async def test_closing_is_for_good(wish: Callable[[AsyncConnection], Awaitable[object]], real: RealCatalogue) -> None:
    await real.add_tenant(CAMPUS)
    await real.set_state(CAMPUS, "closed")
    await real.set_state(CAMPUS, "closed")
    with pytest.raises(RefusedError, match="for good") as refused:
        async with real.store.writing() as conn:
            await wish(conn)
    assert refused.value.code == "closed"
    with pytest.raises(CatalogueError, match="take another"):
        async with real.store.writing() as conn:
            await tenants.add_tenant(conn, CAMPUS, title="", environment="production", now=1)


async def test_points_of_a_closed_campus_buy_nothing_and_come_back_from_what_they_bought(
    tmp_path: Path, catalogue_file: Path
) -> None:
    async with a_shop(tmp_path, template=catalogue_file) as shop:
        await shop.shelve()
        await shop.give("ann", 100)
        tea = await shop.redeem(key="first")
        async with shop.store.writing() as conn:
            await tenants.set_tenant_state(conn, CAMPUS, "closed")
        with pytest.raises(RefusedError) as refused:
            await shop.redeem()
        assert refused.value.code == "closed"
        assert (await shop.redeem(key="first")).redemption == tea.redemption, "what was asked before has its answer"
        await shop.desk.refund(CAMPUS, tea.redemption, now=shop.at, by="test", why="closed")
        assert await shop.balance() == 100
        await shop.audit()


def test_an_operator_looks_what_a_campus_leaves_behind_and_closes_it(tmp_path: Path, catalogue_file: Path) -> None:
    shutil.copy(catalogue_file, tmp_path / "catalogue.db")
    operator = Operator(tmp_path)
    operator.types("init")
    operator.types("tenant", "add", CAMPUS)
    operator.types("agent", "add", CAMPUS, "ab" * 32)
    operator.given(50)
    operator.set_aside(7, "unreadable")
    left = {"outstanding": {"points": 50}, "under_way": 0, "aside": 1, "agents": 1, "campus": CAMPUS}
    assert operator.asks("tenant", "close", CAMPUS, "--check") == left | {"checked": True}
    assert operator.asks("tenant", "list")[0]["state"] == "active"
    assert "learners hold 50 points" in operator.types("tenant", "close", CAMPUS, "--reason", "merged")
    assert operator.asks("tenant", "list")[0]["state"] == "closed"
    (act, *_) = operator.asks("audit", "list", CAMPUS)
    assert (act["act"], act["why"], list(act["after"].values())) == ("tenant.close", "merged", [{"state": "closed"}])
    for words in (("tenant", "resume"), ("tenant", "suspend"), ("tenant", "token")):
        assert "refused (closed)" in operator.types(*words, CAMPUS, code=1)
    assert "refused (closed)" in operator.types("agent", "add", CAMPUS, "cd" * 32, code=1)
    assert "is closed" in operator.types("tenant", "close", CAMPUS)
    for words in (("wallet", "show"), ("ledger", "movements"), ("finance", "liability")):
        assert "points" in operator.types(*words, CAMPUS)
