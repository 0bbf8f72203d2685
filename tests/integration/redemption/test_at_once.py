"""What one statement grants: it writes what the long way writes, no more than there is, and leaves the rest to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from catalogue.errors import RefusedError
from catalogue.redemption import records
from catalogue.redemption.checks import Wish
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State
from catalogue.rewards import shelf
from catalogue.wallets import book
from catalogue.wallets.moves import Move
from tests.integration.redemption.shop import CAMPUS, DAY, Shop, a_shop
from tests.servers import PostgresDatabase

TABLES = ("redemption", "wish", "step", "movement", "movement_key", "wallet", "offer", "ledger")
LEARNERS = 12


@pytest.fixture
async def shop(tmp_path: Path, catalogue_database: PostgresDatabase) -> AsyncIterator[Shop]:
    """SQLite has no statement that writes into several tables; whoever writes there is alone."""
    async with a_shop(tmp_path, url=catalogue_database.dsn) as made:
        yield made


async def written(shop: Shop, made: list[Redemption]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the books, with the redemptions called by their order."""
    found = {}
    async with shop.store.reading() as conn:
        for table in TABLES:
            rows = await conn.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2, 3"))
            found[table] = [tuple(_called(value, made) for value in row) for row in rows]
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def _called(value: Any, made: list[Redemption]) -> Any:
    for number, one in enumerate(made):
        if isinstance(value, str):
            value = value.replace(one.redemption, f"redemption {number}")
        elif value == one.token_digest:
            return f"digest {number}"
    return value


async def trade(shop: Shop) -> list[Redemption]:
    """Some redemptions, refunds and earnings, one after the other."""
    await shop.shelve(stock=3)
    await shop.shelve("mug", price={"points": 7})
    await shop.give("ann", 200)
    await shop.give("bob", 60)
    made = [await shop.redeem("ann"), await shop.redeem("bob")]
    shop.at += 5
    made += [await shop.redeem("bob", "mug"), await shop.redeem("ann", "mug")]
    await shop.desk.refund(CAMPUS, made[1].redemption, now=shop.at, by="test", why="sent back")
    await shop.give("ann", 11)
    return [*made, await shop.redeem("ann")]


async def test_the_books_are_the_same_as_by_the_long_way(
    shop: Shop, catalogue_database: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = await written(shop, await trade(shop))
    await shop.audit()
    (tmp_path / "long").mkdir()
    database = catalogue_database.server.create_database()
    async with a_shop(tmp_path / "long", url=database.dsn) as other:
        monkeypatch.setattr(other.store.dialect, "at_once", False)
        long = await written(other, await trade(other))
    assert at_once == long
    assert len(at_once["redemption"]) == 5


async def test_many_who_want_the_last_of_a_reward_get_as_many_as_there_are(
    shop: Shop, catalogue_database: PostgresDatabase
) -> None:
    await shop.hire(catalogue_database.dsn)
    await shop.shelve(stock=3)
    for number in range(LEARNERS):
        await shop.give(f"learner{number}", 50)
    asked = [shop.redeem(f"learner{number}") for number in range(LEARNERS)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    refused = Counter(one.code if isinstance(one, RefusedError) else "granted" for one in found)
    assert refused == {"granted": 3, "stock": LEARNERS - 3}
    await shop.audit()


async def test_one_wallet_is_never_overspent_by_spenders_at_once_who_are_told_what_they_lack(
    shop: Shop, catalogue_database: PostgresDatabase
) -> None:
    await shop.hire(catalogue_database.dsn)
    await shop.shelve()
    await shop.give("ann", 190)
    found = await asyncio.gather(*(shop.redeem() for _ in range(LEARNERS)), return_exceptions=True)
    assert sum(isinstance(one, Redemption) for one in found) == 3
    assert {str(one) for one in found if isinstance(one, RefusedError)} == {"it costs 50 points, and there are 40"}
    assert await shop.balance() == 40
    await shop.audit()


async def test_a_lot_that_is_over_is_let_go_before_anything_is_spent(shop: Shop) -> None:
    await shop.shelve()
    key = ("ann", "points")
    for number, ends in enumerate((shop.at + DAY, shop.at + 9 * DAY)):
        async with shop.store.writing() as conn:
            held = await book.hold(shop.store, conn, CAMPUS, [key])
            move = Move(*key, "award", 40, f"test/{number}", shop.at, expires_at=ends)
            await book.post(shop.store, conn, CAMPUS, [move], held, now=shop.at)
    shop.at += 2 * DAY
    with pytest.raises(RefusedError, match="it costs 50 points, and there are 40"):
        await shop.redeem()
    await shop.shelve("small", price={"points": 30})
    await shop.redeem(reward="small")
    assert await shop.balance() == 10


async def somebody_waits(shop: Shop) -> None:
    """Until a statement waits for a lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    while True:
        async with shop.store.glancing() as conn:
            if await conn.scalar(waiting):
                return
        await asyncio.sleep(0.01)


async def test_what_changed_while_a_wish_waited_counts(shop: Shop) -> None:
    await shop.shelve()
    await shop.shelve("mug", stock=1)
    await shop.give("ann", 100)
    async with shop.store.writing() as conn:
        await book.hold(shop.store, conn, CAMPUS, [("ann", "points")])
        wishes = [asyncio.create_task(shop.redeem("ann", reward)) for reward in ("tea", "mug")]
        await somebody_waits(shop)
        async with shop.store.writing() as other:
            await shelf.approve(other, CAMPUS, CAMPUS, "tea", approved=False, now=shop.at)
            offered = await shelf.offered(other, CAMPUS, "mug")
            assert offered is not None
            await shelf.take(other, CAMPUS, CAMPUS, offered.reward)
    found = await asyncio.gather(*wishes, return_exceptions=True)
    assert [one.code for one in found if isinstance(one, RefusedError)] == ["not-approved", "stock"]
    assert await shop.balance() == 100


async def test_redemptions_in_one_statement_and_in_many_refunds_and_earnings_never_wait_in_a_circle(
    shop: Shop, catalogue_database: PostgresDatabase
) -> None:
    await shop.hire(catalogue_database.dsn)
    await shop.shelve()
    await shop.shelve("mug", per_learner=[{"count": 900, "per": "day"}])
    for name in ("ann", "bob"):
        await shop.give(name, 100)

    async def spender(learner: str, reward: str, keys: str) -> None:
        """Two of them have the same wishes, at once."""
        for number in range(LEARNERS):
            try:
                made = await shop.redeem(learner, reward, f"{keys}-{number}")
            except RefusedError:
                continue
            await shop.desk.refund(CAMPUS, made.redemption, now=shop.at, by="test", why="sent back")

    async def earner(learner: str) -> None:
        for number in range(LEARNERS):
            async with shop.store.writing() as conn:
                keys = [(learner, "points"), (f"new{number}", "points")]
                held = await book.hold(shop.store, conn, CAMPUS, keys)
                moves = [Move(*key, "award", 10, f"{learner}/{number}-{key[0]}", shop.at) for key in keys]
                posted = await book.number(conn, CAMPUS, len(moves), now=shop.at)
                await book.write(shop.store, conn, CAMPUS, moves, held, posted=posted)

    wishes = [("ann", "tea", "a"), ("ann", "tea", "a"), ("ann", "mug", "b"), ("bob", "mug", "c"), ("bob", "tea", "d")]
    await asyncio.gather(*(spender(*one) for one in wishes), earner("ann"), earner("bob"))
    async with shop.store.writing() as conn:
        counted = (
            "SELECT pg_stat_force_next_flush(), deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        assert (await conn.execute(text(counted))).one().deadlocks == 0
    for name in ("ann", "bob"):
        assert await shop.balance(name) == 100 + 10 * LEARNERS
    assert {one.state for one in await shop.all()} == {State.refunded}


async def test_who_grants_waits_for_who_refuses_under_the_same_key(shop: Shop) -> None:
    await shop.shelve()
    await shop.give("ann", 100)
    wish = Wish(campus=CAMPUS, learner="ann", reward="tea", key="same")
    async with shop.store.writing() as conn:
        assert await records.refuse(conn, wish, RefusedError(409, "balance", "there is less"), at=shop.at)
        granting = asyncio.create_task(shop.redeem(key=wish.key))
        await somebody_waits(shop)
    with pytest.raises(RefusedError, match="there is less"):
        await granting
    assert await shop.all() == []
    await shop.audit()
