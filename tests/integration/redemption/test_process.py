"""A server carries orders by itself, and one that is killed in the middle of an order leaves nothing half done."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from catalogue.config import load
from catalogue.partners import registry
from catalogue.partners.breaker import Circuit
from catalogue.redemption import records
from catalogue.redemption.checks import Wish
from catalogue.redemption.desk import Desk
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.server import load_key
from catalogue.store import Store
from catalogue.wallets import book
from catalogue.wallets.moves import Move
from tests.integration.test_catalogue_process import command, serving
from tests.partner import Mood, Partner
from tests.wire_builders import CAMPUS


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for another process."""
    while not await true():  # noqa: ASYNC110 - another process has no event to wait for
        await asyncio.sleep(0.05)


async def shop(config: Path, partner: Partner, points: int) -> Desk:
    settings = load(config)
    store = await Store.open(settings.database)
    made = shelf.described(
        {"id": "card", "title": "Card", "price": {"points": 50}, "handing": "partner", "partner": "acme"}
    )
    acme = registry.Partner(
        owner="*",
        partner="acme",
        title="",
        url=partner.url,
        repeatable=False,
        timeout_s=5,
        state="active",
        circuit=Circuit(),
    )
    async with store.writing() as conn:
        await registry.put(conn, acme)
        await shelf.put(conn, CAMPUS, made, now=1)
        await shelf.approve(conn, CAMPUS, CAMPUS, "card", approved=True, now=1)
        held = await book.hold(store, conn, CAMPUS, [("ann", "points")])
        await book.post(store, conn, CAMPUS, [Move("ann", "points", "award", points, "t/1-1", 1)], held, now=1)
    return Desk(store, Vault.load(settings.vouchers_file))


@pytest.mark.timeout(60)
async def test_a_server_orders_and_one_that_is_killed_leaves_its_order_for_the_statement(tmp_path: Path) -> None:
    with serving(tmp_path / "c") as served:
        command("tenant", "add", CAMPUS, "--config", served.config)
        key = load_key(load(served.config))
        partner = Partner(key.public, key.fingerprint, now=lambda: int(time.time()), repeatable=False)
        await partner.start()
        desk = await shop(served.config, partner, 150)

        async def redeem(name: str) -> Redemption:
            wish = Wish(campus=CAMPUS, learner="ann", reward="card", key=name)
            return await desk.redeem(wish, now=int(time.time()), by="test")

        async def state(one: Redemption) -> State:
            async with desk.store.reading() as conn:
                found = await records.find(conn, CAMPUS, one.redemption)
            assert found is not None
            return found.state

        async def is_at(one: Redemption, wanted: State) -> bool:
            return await state(one) is wanted

        first = await redeem("first")
        await until(lambda: is_at(first, State.fulfilled))
        partner.mood = Mood.slow
        second = await redeem("second")
        await until(lambda: asyncio.sleep(0, second.redemption in partner.made))
        served.end(signal.SIGKILL)
        assert await state(second) is State.sending, "the voucher was made, and nobody here knows"
        served.start()
        partner.mood = Mood.normal
        third = await redeem("third")
        await until(lambda: is_at(third, State.fulfilled))
        assert await state(second) is State.sending
        statement = tmp_path / "statement.csv"
        statement.write_text(partner.statement(), encoding="utf-8")
        told = command("partner", "reconcile", "acme", statement, "--config", served.config).stdout
        assert told == "2 agreed, 1 fulfilled, 0 released\n"
        assert await state(second) is State.fulfilled
        assert set(partner.posts.values()) == {1}
        await desk.store.close()
        await partner.stop()
