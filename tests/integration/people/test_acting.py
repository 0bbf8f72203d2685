"""What an operator does to links stands among the acts without what agents told at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from catalogue import acts
from catalogue.acts import Act
from catalogue.people import acting, links
from tests.integration.people.town import Town, a_tag, sender
from tests.integration.redemption.shop import CAMPUS, NOW, a_shop
from tests.servers import PostgresDatabase
from wire.people.known import People, Told

HELD_S = 0.3
"""For how long an agent's message is under way: long enough for the operator to come between, whoever is faster."""


@pytest.fixture
async def town(tmp_path: Path, catalogue_database: PostgresDatabase) -> AsyncIterator[Town]:
    """Only PostgreSQL lets two write at once."""
    async with a_shop(tmp_path, url=catalogue_database.dsn) as made:
        found = Town(made)
        await found.open()
        yield found


async def the_act(town: Town) -> dict[str, Any]:
    async with town.shop.store.reading() as conn:
        (found,) = [one async for one in acts.listed(conn, {"campus": CAMPUS})]
    return found


async def test_an_act_on_links_tells_nothing_of_what_an_agent_told_meanwhile(town: Town) -> None:
    for agent, name in (("a", "ann"), ("b", "bea"), ("a", "cat"), ("b", "dan")):
        await town.says(agent, name, a_tag("one" if name == "cat" else name))
    people = People(campus=CAMPUS, agent="b", key="0123456789abcdef", people=(Told(name="dan", tags=(a_tag("one"),)),))

    async def told() -> None:
        async with town.shop.store.writing() as conn:
            await links.tell(conn, sender("b"), people, now=NOW)
            under_way.set()
            await asyncio.sleep(HELD_S)

    async def typed() -> None:
        await under_way.wait()
        said = Act(campus=CAMPUS, by="operator desk", at=NOW, act="wallet.link", about="ann bea", why="asked")
        async with acting.linking(town.shop.store, said) as conn:
            await links.unite(conn, CAMPUS, "ann", "bea", now=NOW, by=said.by, why=said.why)

    under_way = asyncio.Event()
    await asyncio.gather(told(), typed())
    assert await town.purses() == [["ann", "bea"], ["cat", "dan"]]
    act = await the_act(town)
    assert sorted(act["after"]) == [f"link {CAMPUS} ann", f"link {CAMPUS} bea"]
