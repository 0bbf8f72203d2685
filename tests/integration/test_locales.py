"""A database that orders texts as people do, not by their bytes: nothing is lost between pages, sums are the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import make_url, text

from catalogue.acts import Act
from catalogue.api import tokens
from catalogue.archive import making
from catalogue.archive.files import Place
from catalogue.errors import ConfigError
from catalogue.finance import closing
from catalogue.rewards import shelf
from catalogue.store import Store, months
from tests.contract.catalogues import running_catalogue
from tests.empty import make_catalogue
from tests.integration.scale.campus import Campus
from tests.servers import Postgres, PostgresDatabase
from tests.wire_builders import CAMPUS
from wire import keys

IDS = ("gift_card", "gift-card", "gift1", "gifta", "gift.b", "gift", "0", "z9")
CURRENCIES = ("badge:a_b", "badge:a-b", "badge:a1", "Points", "points")
SEPTEMBER, DECEMBER = months.begins("2026-09"), months.begins("2026-12")


@pytest.fixture(scope="module")
def peoples_order(postgres: Postgres) -> Iterator[PostgresDatabase]:
    """An empty catalogue in the order of a dictionary: gift_card, gift-card, gift.b, gift1."""
    database = postgres.create_database(icu="en-US")
    make_catalogue(database.dsn)
    yield database
    database.drop()


async def test_in_any_locale_every_reward_and_every_sum_is_found(
    peoples_order: PostgresDatabase, tmp_path: Path
) -> None:
    async with running_catalogue(tmp_path, peoples_order.dsn) as real:
        campus = await Campus.made(real.store, keys.create(tmp_path / "another.ed25519"))
        async with real.store.writing() as conn:
            for name in IDS:
                said = shelf.described({"id": name, "title": name, "price": {"points": 1}})
                await shelf.put(conn, CAMPUS, said, now=1)
            token = await tokens.add(conn, CAMPUS, "shop", ["rewards:read"], expires_at=2**40, by="a test", now=1)
        for limit in (1, 3):
            assert await pages(real.url, token, limit) == sorted(IDS)
        async with real.store.writing() as conn:
            await real.store.dialect.make_months(conn, ["2026-09", "2026-10"])
        given = [{"learner": "ann", "currency": currency, "amount": 3} for currency in CURRENCIES]
        await campus.deliver(*given, at=SEPTEMBER + 5)
        async with real.store.writing() as conn:
            await closing.close(conn, CAMPUS, now=DECEMBER, by="a test")
        place = Place(root=tmp_path / "archive", month="2026-09", campus=CAMPUS)
        act = Act(campus=CAMPUS, by="a test", at=DECEMBER, act="archive.make")
        made = await making.make(real.store, place, act)
        assert [currency for currency, *_ in made["sums"]] == sorted(CURRENCIES)


async def pages(url: str, token: str, limit: int) -> list[str]:
    """The ids of all rewards, page after page."""
    found: list[str] = []
    asked = {"limit": str(limit)}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        while True:
            async with session.get(f"{url}/api/rewards", params=asked) as answer:
                page = await answer.json()
            found += [one["id"] for one in page["rewards"]]
            assert len(found) <= len(IDS)
            if page["next"] is None:
                return found
            asked["after"] = page["next"]


async def test_a_database_that_cannot_hold_every_name_is_refused_with_how_to_make_one(postgres: Postgres) -> None:
    postgres.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    database = PostgresDatabase(server=postgres, name="latin")
    store = await Store.open(make_url(database.dsn), check_schema=False)
    with pytest.raises(ConfigError, match="LATIN1") as refused:
        await store.upgrade()
    assert "--encoding UTF8" in refused.value.hint
    await store.close()
    database.drop()


async def test_wallets_are_held_in_one_order_however_many_statements_it_takes(peoples_order: PostgresDatabase) -> None:
    store = await Store.open(make_url(peoples_order.dsn))
    last, first = (("ann", name) for name in ("badge:a_b", "badge:a1"))  # in the order of a dictionary, not in ours
    for holding in (store.dialect.open_wallets, store.dialect.hold_wallets):
        async with store.writing() as one, store.writing() as other:
            await holding(one, "elsewhere", [first])
            both = asyncio.create_task(holding(other, "elsewhere", [first, last]))
            while not await somebody_waits(store):
                assert not both.done()
            await holding(one, "elsewhere", [last])
            await one.commit()
            assert set(await both) == {first, last}
    await store.close()


async def somebody_waits(store: Store) -> bool:
    async with store.reading() as conn:
        return bool(await conn.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
