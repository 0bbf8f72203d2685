"""A catalogue from before there were budgets knows what was spent, and can read its rewards, once it is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, make_url, text

from catalogue.funding import budgets, months
from catalogue.redemption import audit
from catalogue.rewards import shelf
from catalogue.store import Store
from catalogue.store.base import MIGRATIONS
from tests.integration.redemption.shop import NOW
from tests.wire_builders import CAMPUS

MONTH = months.month_of(NOW, "UTC")
REWARD = '{{"id": "{0}", "title": "T", "price": {{"points": 5}}, "funding": "{1}", "cost": {2}, "category": "{3}"}}'


def to_the_eighth(conn: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    command.upgrade(config, "0008")


def redemption(name: str, reward: str, state: str, handing: str = "display") -> str:
    """One that cost 2.00 GBP."""
    return (
        f"INSERT INTO redemption VALUES ('{CAMPUS}', '{name}', '{name}', :none, 'ann', '{CAMPUS}', '{reward}', 'T',"
        f" 'points', 5, 200, 'GBP', 'institution', '{handing}', '', '{state}', 0, NULL, {NOW}, NULL, NULL, NULL, :own,"
        " NULL)"
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_an_upgrade_counts_what_was_spent_and_leaves_every_reward_readable(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_database").dsn
    store = await Store.open(make_url(url), check_schema=False)
    async with store.writing() as conn:
        await conn.run_sync(to_the_eighth)
        await conn.execute(text(f"INSERT INTO tenant VALUES ('{CAMPUS}', '', 'production', 'active', 1)"))
        for name, funding, cost in (
            ("tea", "institution", '"2.00 GBP"'),
            ("off", "discount", '"2.00 GBP"'),
            ("half", "hybrid", "null"),
        ):
            body = {"body": REWARD.format(name, funding, cost, "food" if name == "off" else "general")}
            await conn.execute(text(f"INSERT INTO reward VALUES ('{CAMPUS}', '{name}', 'active', :body, 1)"), body)
        for number, (state, handing) in enumerate(
            [("fulfilled", "display"), ("released", "display"), ("refunded", "display"), ("refunded", "codes")]
        ):
            values = {"none": b"", "own": bytes([number])}
            await conn.execute(text(redemption(f"r{number}", "tea", state, handing)), values)
    assert await store.upgrade()
    faults: list[str] = []
    async with store.reading() as conn:
        rows = {row["scope"]: row["spent"] for row in await budgets.spent(conn, CAMPUS, MONTH)}
        found = {one.reward.id: one.reward async for one in shelf.shelf(conn, CAMPUS)}
        food = await shelf.page(conn, CAMPUS, rows=9, asked=shelf.Asked(type="benefit", category="food"))
        await audit.check(conn, CAMPUS, faults.append)
    await store.close()
    assert rows == {"campus": 400, "category": 400, "reward": 400}
    assert (found["off"].cost, found["half"].funding) == (None, "institution")
    assert [one.reward.id for one in food] == ["off"]
    assert [fault for fault in faults if "budget" in fault] == []
