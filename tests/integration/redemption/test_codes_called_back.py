"""Codes that are held back while somebody redeems: nobody gets one of them, and the next in the pool is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from catalogue.errors import RefusedError
from catalogue.redemption import pool
from catalogue.redemption.pool import Code
from catalogue.redemption.records import Redemption
from tests.integration.redemption.shop import CAMPUS, Shop, a_shop
from tests.integration.redemption.test_at_once import somebody_waits
from tests.servers import PostgresDatabase


@pytest.fixture
async def shop(tmp_path: Path, catalogue_database: PostgresDatabase) -> AsyncIterator[Shop]:
    """On SQLite whoever writes is alone."""
    async with a_shop(tmp_path, url=catalogue_database.dsn) as made:
        await made.shelve("code", handing="codes")
        await made.give("ann", 500)
        yield made


async def redeemed_while(shop: Shop, called_back: list[str]) -> Redemption | BaseException:
    """What a wish comes to that finds the first of these codes being held back."""
    async with shop.store.writing() as conn:
        some = [Code(code, None) for code in called_back]
        assert await pool.withdraw(conn, shop.desk.vault, CAMPUS, CAMPUS, "code", some) == len(some)
        asking = asyncio.create_task(shop.redeem(reward="code"))
        await somebody_waits(shop)
    return (await asyncio.gather(asking, return_exceptions=True))[0]


async def test_a_code_that_is_called_back_while_it_is_given_out_is_not_given(shop: Shop) -> None:
    await shop.stock(["one"])
    shop.at += 1
    await shop.stock(["two"])
    made = await redeemed_while(shop, ["one"])
    assert isinstance(made, Redemption)
    assert shop.desk.voucher(made) == "two"
    async with shop.store.writing() as conn:
        assert await pool.let_go(conn, CAMPUS, CAMPUS, "code") == 1, "what was said to be held back is"
    await shop.audit()


async def test_where_all_codes_are_called_back_meanwhile_nothing_is_spent(shop: Shop) -> None:
    await shop.stock(["one"])
    refused = await redeemed_while(shop, ["one"])
    assert isinstance(refused, RefusedError)
    assert refused.code == "stock"
    assert await shop.balance() == 500
    await shop.audit()
