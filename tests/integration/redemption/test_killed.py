"""Killed between any two statements, a redemption has happened whole or not at all, and goes on to its end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from catalogue.partners.courier import Name
from catalogue.redemption.states import State
from tests.integration.redemption.shop import CAMPUS, Shop, a_shop
from tests.partner import Mood
from tests.servers import PostgresDatabase


class KilledError(Exception):
    """The process ended here."""


@contextlib.contextmanager
def killed_at(shop: Shop, number: int) -> Iterator[list[int]]:
    """End the process at its ``number``-th statement; how many there were."""
    seen = [0]

    def count(*_: Any) -> None:
        seen[0] += 1
        if seen[0] == number:
            raise KilledError

    engine = shop.store._engines.writing.sync_engine  # noqa: SLF001 - a kill asks nobody's leave
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", count)


Act = Callable[[Shop], Awaitable[object]]


@contextlib.asynccontextmanager
async def a_shop_on(
    directory: Path, template: Path, databases: Callable[[], PostgresDatabase] | None
) -> AsyncIterator[Shop]:
    """A shop on a copy of ``template``, or on a database of its own that is dropped at the end."""
    if databases is None:
        async with a_shop(directory, template=template) as shop:
            yield shop
        return
    database = databases()
    try:
        async with a_shop(directory, url=database.dsn) as shop:
            yield shop
    finally:
        database.drop()


async def display(shop: Shop) -> object:
    return await shop.redeem(key="k")


async def code(shop: Shop) -> object:
    return await shop.redeem(reward="code", key="k")


async def carry(shop: Shop) -> object:
    return await shop.courier.round()


async def refund(shop: Shop) -> object:
    (one,) = await shop.all()
    return await shop.desk.refund(CAMPUS, one.redemption, now=shop.at, by="test", why="sent back")


async def statement(shop: Shop) -> object:
    return await shop.reconcile(complete_until=shop.at)


async def nothing(_shop: Shop) -> None:
    pass


async def card(shop: Shop) -> None:
    await shop.redeem(reward="card")


async def unknown(shop: Shop) -> None:
    one = await shop.redeem(reward="card")
    await shop.courier.claim(Name(CAMPUS, one.redemption), now=shop.at)
    shop.at += 999
    await shop.carry()
    assert (await shop.now_is(one)).state in {State.unknown, State.doubtful}


@pytest.mark.parametrize(
    ("before", "act", "mood", "end"),
    [
        (nothing, display, Mood.normal, State.fulfilled),
        (nothing, code, Mood.normal, State.fulfilled),
        (card, carry, Mood.normal, State.fulfilled),
        (card, carry, Mood.declining, State.released),
        (unknown, statement, Mood.normal, State.released),
        (display, refund, Mood.normal, State.refunded),
    ],
    ids=["display", "code", "issued", "declined", "statement", "refund"],
)
@pytest.mark.parametrize(
    "stride",
    [
        pytest.param(1, marks=pytest.mark.soak, id="sqlite-each"),
        pytest.param(-1, marks=[pytest.mark.soak, pytest.mark.timeout(1200)], id="postgresql-each"),
        pytest.param(4, id="sqlite-each-fourth"),
    ],
)
async def test_killed_at_any_statement_it_is_done_whole_or_not_at_all_and_then_once(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    catalogue_file: Path,
    before: Act,
    act: Act,
    mood: Mood,
    end: State,
    stride: int,
) -> None:
    """A negative ``stride`` is on PostgreSQL."""
    number = kills = 0
    databases = request.getfixturevalue("catalogue_databases") if stride < 0 else None
    stride = abs(stride)
    while True:
        number += stride
        directory = tmp_path / str(number)
        directory.mkdir()
        async with a_shop_on(directory, catalogue_file, databases) as shop:
            await shop.shelve()
            await shop.shelve("code", handing="codes")
            await shop.stock(["A", "B"])
            await shop.employ(repeatable=end is State.fulfilled)
            await shop.give("ann", 50)
            await before(shop)
            shop.partner.mood = mood
            with killed_at(shop, number) as seen, contextlib.suppress(KilledError):
                await act(shop)
            kills += seen[0] >= number
            await shop.audit()
            await finish(shop, act, end)
        if seen[0] < number:
            break
    assert kills == number // stride - 1 > 0


async def finish(shop: Shop, act: Act, end: State) -> None:
    """Do it again, and let time go by: it ends as it should, once."""
    await act(shop)
    for _ in range(4):
        shop.at += 200
        await shop.carry()
    (one,) = await shop.all()
    assert one.state in {end, State.unknown}
    if one.state is State.unknown:
        await shop.reconcile(complete_until=shop.at)
        (one,) = await shop.all()
        assert one.state is end
    assert await shop.balance() == (0 if end is State.fulfilled else 50)
    await shop.audit()
