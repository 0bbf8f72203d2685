"""Two who change parts of one thing at the same time: what either changed holds, and each act tells its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from catalogue import acts, schema, tenants
from catalogue.acts import Act
from catalogue.partners import registry
from catalogue.rewards import shelf
from catalogue.store import Store
from tests.integration.operator import CAMPUS, Operator
from tests.servers import PostgresDatabase

NOW = 1_790_000_000
SETTINGS = '[database]\nurl = "{}"\n'


@pytest.fixture
async def store(catalogue_database: PostgresDatabase) -> AsyncIterator[Store]:
    made = await Store.open(make_url(catalogue_database.dsn))
    async with made.writing() as conn:
        await tenants.add_tenant(conn, CAMPUS, title="", environment="production", now=NOW)
    yield made
    await made.close()


@pytest.fixture
def operator(catalogue_database: PostgresDatabase, tmp_path: Path) -> Operator:
    (tmp_path / "catalogue.toml").write_text(SETTINGS.format(catalogue_database.dsn), encoding="utf-8")
    return Operator(tmp_path)


async def types_meanwhile(store: Store, operator: Operator, *words: str) -> asyncio.Task[str]:
    """Somebody types a command while a transaction is open, and it waits for that."""
    typed = asyncio.create_task(asyncio.to_thread(operator.types, *words))
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    while not typed.done():
        async with store.glancing() as conn:
            if await conn.scalar(waiting):
                break
        await asyncio.sleep(0.01)
    return typed


async def newest(operator: Operator, name: str) -> list[tuple[dict[str, object], dict[str, object]]]:
    """(before, after) of an act each time it was done, the newest first."""
    rows = await asyncio.to_thread(operator.asks, "audit", "list", "--act", name)
    return [(next(iter(row["before"].values()), {}), next(iter(row["after"].values()), {})) for row in rows]


async def test_of_two_changes_of_one_reward_at_once_each_changes_what_it_names(
    store: Store, operator: Operator
) -> None:
    tea = ("reward", "add", CAMPUS, "tea", "--title", "Tea", "--price", "points=5")
    await asyncio.to_thread(operator.types, *tea)
    said = Act(campus=CAMPUS, by="operator at another desk", at=NOW, act="reward.change", about="tea")
    async with acts.acting(store, said, acts.rows(schema.reward, campus=CAMPUS, reward="tea")) as conn:
        known = await shelf.find(conn, CAMPUS, "tea")
        assert known is not None
        await shelf.put(conn, CAMPUS, known.model_copy(update={"stock": 80}), now=NOW)
        meanwhile = await types_meanwhile(
            store, operator, "reward", "change", CAMPUS, "tea", "--set", "title=Green tea"
        )
    await meanwhile
    (row,) = await asyncio.to_thread(operator.asks, "reward", "list", CAMPUS)
    assert (row["title"], row["stock"]) == ("Green tea", 80)
    (before, after), _ = await newest(operator, "reward.change")
    assert (before["title"], after["title"], "stock" in after) == ("Tea", "Green tea", False)


async def test_a_reward_that_another_put_on_the_shelf_meanwhile_is_there_already(
    store: Store, operator: Operator
) -> None:
    said = Act(campus=CAMPUS, by="operator at another desk", at=NOW, act="reward.add", about="tea")
    async with acts.acting(store, said, acts.rows(schema.reward, campus=CAMPUS, reward="tea")) as conn:
        made = shelf.described({"id": "tea", "title": "Tea", "price": {"points": 5}})
        await shelf.put(conn, CAMPUS, made, now=NOW, new=True)
        words = ("reward", "add", CAMPUS, "tea", "--title", "Another", "--price", "points=9")
        meanwhile = await types_meanwhile(store, operator, *words)
    with pytest.raises(AssertionError, match="reward tea is there already"):
        await meanwhile


async def test_of_two_changes_of_one_partner_at_once_each_changes_what_it_names(
    store: Store, operator: Operator
) -> None:
    add = ("partner", "add", "acme", "https://partner.example/orders")
    await asyncio.to_thread(operator.types, *add, "--title", "Acme", "--repeatable", "--timeout", "30")
    said = Act(campus=acts.EVERYWHERE, by="operator at another desk", at=NOW, act="partner.add", about="acme")
    async with acts.acting(store, said, acts.rows(schema.partner, campus="*", partner="acme")) as conn:
        await conn.execute(text("UPDATE partner SET timeout_s = 60"))
        elsewhere = (*add[:-1], "https://new.partner.example/orders")
        meanwhile = await types_meanwhile(store, operator, *elsewhere)
    assert "is sent again" in await meanwhile
    async with store.reading() as conn:
        found = await registry.find(conn, "*", "acme")
    assert found is not None
    assert (found.title, found.url, found.repeatable, found.timeout_s) == ("Acme", elsewhere[-1], True, 60)
    assert "is sent no more" in await asyncio.to_thread(operator.types, *add, "--once-only")
