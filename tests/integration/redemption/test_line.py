"""The line before what all want is short, and nobody waits in a circle: locks are taken in one order (ADR 82)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.wallets import book
from catalogue.wallets.moves import Move
from tests.integration.people.town import Town, a_tag
from tests.integration.redemption.shop import CAMPUS, Shop, a_shop
from tests.servers import PostgresDatabase

ROUNDS = 12


@pytest.fixture
async def shop(tmp_path: Path, catalogue_database: PostgresDatabase) -> AsyncIterator[Shop]:
    """Only PostgreSQL knows lines: on SQLite whoever writes is alone."""
    async with a_shop(tmp_path, url=catalogue_database.dsn) as made:
        yield made


@contextlib.contextmanager
def listened(shop: Shop) -> Iterator[list[str]]:
    """Every statement that is asked, by how it begins."""
    asked: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    engine = shop.store._engines.writing.sync_engine  # noqa: SLF001 - what it asks is what others wait for
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


def beginnings(asked: list[str]) -> list[str]:
    return [" ".join(statement.split()[:3]) for statement in asked]


async def test_what_a_stock_and_a_balance_alone_can_stop_is_granted_in_one_statement(shop: Shop) -> None:
    await shop.shelve(stock=5)
    await shop.give("ann", 100)
    with listened(shop) as asked:
        await shop.redeem()
    assert beginnings(asked) == ["SELECT tenant.state AS", "WITH held AS"]


async def test_others_wait_for_the_looks_at_limits_one_statement_and_the_commit(shop: Shop) -> None:
    await shop.shelve(stock=5, in_all=[{"count": 5, "per": "day"}])
    await shop.give("ann", 100)
    with listened(shop) as asked:
        await shop.redeem()
    assert beginnings(asked) == [
        "SELECT tenant.state AS",
        "SELECT wallet.learner, wallet.currency,",
        "SELECT redemption.campus, redemption.redemption,",
        "INSERT INTO redemption",
        "INSERT INTO wish",
        "INSERT INTO step",
        "UPDATE offer SET",
        "SELECT count(*) AS",
        "WITH newest AS",
    ]


async def test_what_cannot_be_granted_is_refused_before_anybody_waits_for_it(shop: Shop) -> None:
    await shop.shelve(stock=5)
    await shop.shelve("gone", stock=0)
    await shop.give("ann", 40)
    for reward in ("gone", "tea"):
        with listened(shop) as asked, pytest.raises(RefusedError):
            await shop.redeem(reward=reward)
        assert not [statement for statement in asked if statement.startswith("UPDATE offer")]


async def linked(shop: Shop, *names: str) -> None:
    """These pseudonyms are one person's."""
    one = {
        "campus": CAMPUS,
        "purse": names[0],
        "agent": "",
        "account_of": "",
        "linked_at": 0,
        "linked_by": "",
        "why": "",
    }
    async with shop.store.writing() as conn:
        await conn.execute(insert(schema.link), [one | {"name": name} for name in names])


async def batch(shop: Shop, *names: str) -> None:
    """As a batch moves wallets: all held, then numbered, then written."""
    async with shop.store.writing() as conn:
        keys = [(name, "points") for name in names]
        held = await book.hold(shop.store, conn, CAMPUS, keys)
        posted = await book.number(conn, CAMPUS, len(keys), now=shop.at)
        moves = [Move(*key, "award", 10, f"b/{posted.first_no}-{number}", shop.at) for number, key in enumerate(keys)]
        await book.write(shop.store, conn, CAMPUS, moves, held, posted=posted)


async def test_wallets_that_are_all_there_are_held_by_one_question(shop: Shop) -> None:
    await shop.give("ann", 7)
    await shop.give("bob", 8)
    keys = [("ann", "points"), ("bob", "points")]
    for wanted, questions in ((keys, 1), ([*keys, ("new", "points")], 3), ([*keys, ("new", "points")], 1)):
        with listened(shop) as asked:
            async with shop.store.writing() as conn:
                held = await book.hold(shop.store, conn, CAMPUS, wanted)
        assert [(key, held[key].balance) for key in wanted] == list(zip(wanted, (7, 8, 0), strict=False))
        assert len(asked) == questions


async def test_spends_refunds_and_batches_of_the_same_wallets_never_wait_in_a_circle(
    shop: Shop, catalogue_database: PostgresDatabase
) -> None:
    await shop.shelve(price={"points": 60}, cost="1.00 GBP")
    await shop.shelve("mug", price={"points": 60}, cost="1.00 GBP", per_learner=[{"count": 90, "per": "day"}])
    for name in ("ann", "bob"):
        await shop.give(name, 40)
    await linked(shop, "ann", "bob")

    async def there_and_back(learner: str, reward: str) -> None:
        """Each takes something of both wallets."""
        for _ in range(ROUNDS):
            with contextlib.suppress(RefusedError):
                made = await shop.redeem(learner, reward)
                await shop.desk.refund(CAMPUS, made.redemption, now=shop.at, by="test", why="sent back")

    async def batches(learner: str) -> None:
        for number in range(ROUNDS):
            await batch(shop, learner, f"new{number // 3}")

    spenders = [there_and_back(*who) for who in (("ann", "tea"), ("bob", "mug"), ("bob", "tea"))]
    await asyncio.gather(*spenders, batches("ann"), batches("bob"))
    async with shop.store.writing() as conn:
        counted = (
            "SELECT pg_stat_force_next_flush(), deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        assert (await conn.execute(text(counted))).one().deadlocks == 0
    assert await shop.balance("ann") + await shop.balance("bob") == 2 * 40 + 2 * 10 * ROUNDS


async def two_wallets(shop: Shop, **fields: Any) -> Town:
    """Ann's, of 30 and 40 points, at two agents, and a reward of 50."""
    town = Town(shop)
    await town.open()
    await shop.shelve(**fields)
    await shop.give("ann-a", 30)
    await shop.give("ann-b", 40)
    await town.says("a", "ann-a", a_tag("ann@x"))
    await town.says("b", "ann-b", a_tag("ann@x"))
    return town


async def waiting(shop: Shop, *tasks: asyncio.Task[Any]) -> None:
    """Until all of them wait for a lock, or one has not waited."""
    blocked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while not any(task.done() for task in tasks):
        async with shop.store.glancing() as conn:
            if (await conn.scalar(blocked) or 0) >= len(tasks):
                return
        await asyncio.sleep(0.01)


async def test_a_spend_that_waits_while_wallets_are_taken_apart_takes_from_its_own_alone(shop: Shop) -> None:
    town = await two_wallets(shop)
    async with shop.store.writing() as conn:
        await book.hold(shop.store, conn, CAMPUS, [("ann-a", "points"), ("ann-b", "points")])
        wish = asyncio.create_task(shop.redeem("ann-a"))
        await waiting(shop, wish)
        await town.take_apart("ann-a")
    with pytest.raises(RefusedError, match="it costs 50 points, and there are 30"):
        await wish
    assert (await shop.balance("ann-a"), await shop.balance("ann-b")) == (30, 40)
    await shop.audit()


async def test_wallets_are_taken_apart_after_a_spend_of_both_that_was_there_first(shop: Shop) -> None:
    town = await two_wallets(shop, stock=1)
    async with shop.store.writing() as conn:
        await conn.execute(text("SELECT taken FROM offer FOR UPDATE"))
        wish = asyncio.create_task(shop.redeem("ann-a"))
        await waiting(shop, wish)
        apart = asyncio.create_task(town.take_apart("ann-a"))
        await waiting(shop, wish, apart)
    made = await wish
    await apart
    assert (await shop.balance("ann-a"), await shop.balance("ann-b")) == (0, 20)
    assert await town.purses() == []
    await shop.desk.refund(CAMPUS, made.redemption, now=shop.at, by="desk", why="broken")
    assert (await shop.balance("ann-a"), await shop.balance("ann-b")) == (30, 40), "each has its own back"
