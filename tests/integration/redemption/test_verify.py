"""`verify` finds a redemption that its ledger does not know, and a spend that no redemption explains."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from catalogue.app import wall_clock
from catalogue.verify import verify
from tests.integration.redemption.shop import CAMPUS, KEY, NOW, Shop


async def faults(shop: Shop) -> list[str]:
    """What `verify` says of redemptions; these learners' points came from no agent, which it says too."""
    async with shop.store.reading() as conn:
        report = await verify(conn, KEY.public, now=wall_clock())
    return [fault for fault in report.faults if "its entries say" not in fault]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE redemption SET state = 'refunded' WHERE reward = 'tea'", "gave 0 back instead of 50"),
        ("UPDATE redemption SET state = 'fulfilled' WHERE state = 'refunded'", "gave 50 back instead of 0"),
        ("UPDATE redemption SET amount = 5 WHERE reward = 'tea'", "costs 5 points, the ledger took 50 points of ann"),
        ("UPDATE redemption SET learner = 'ben' WHERE reward = 'tea'", "the ledger took 50 points of ann"),
        ("UPDATE redemption SET token_digest = NULL WHERE reward = 'tea'", "is fulfilled and has no voucher"),
        ("DELETE FROM redemption WHERE reward = 'tea'", "which is no redemption"),
    ],
)
async def test_a_redemption_that_was_changed_behind_its_back_is_found(shop: Shop, statement: str, said: str) -> None:
    await shop.shelve()
    await shop.shelve("cake")
    await shop.give("ann", 100)
    await shop.redeem()
    cake = await shop.redeem(reward="cake")
    await shop.desk.refund(CAMPUS, cake.redemption, now=NOW, by="test", why="stale")
    assert await faults(shop) == []
    async with shop.store.writing() as conn:
        await conn.execute(text(statement))
    assert any(said in fault for fault in await faults(shop))
