"""A catalogue of the first schema keeps every balance when it is brought up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, make_url, text

from catalogue import books
from catalogue.store import Store
from catalogue.store.base import MIGRATIONS
from catalogue.wallets import audit
from tests.wire_builders import CAMPUS, an_entry


def to_the_first(conn: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    command.upgrade(config, "0001")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_an_upgrade_posts_what_came_in_before_to_the_ledger(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_database").dsn
    store = await Store.open(make_url(url), check_schema=False)
    async with store.writing() as conn:
        await conn.run_sync(to_the_first)
        await conn.execute(text(f"INSERT INTO tenant VALUES ('{CAMPUS}', '', 'production', 'active', 1)"))
        head = {"none": bytes(32)}
        await conn.execute(
            text(f"INSERT INTO agent VALUES ('{CAMPUS}', 'agent-1', 'active', 1, 4, :none, 1, NULL)"), head
        )
        for first, came in ((3, 200), (1, 100)):
            batch = f"('{CAMPUS}', 'agent-1', 1, {first}, {first + 1}, :none, :none, :none, :none, :none, '', {came})"
            await conn.execute(text(f"INSERT INTO batch VALUES {batch}"), head)
        given = [
            an_entry(1, learner="ann"),
            an_entry(2, learner="ben"),
            an_entry(3, learner="ann", amount=-4, kind="reversal", reverses="1-1"),
            b"nonsense",
        ]
        for seq, body in enumerate(given, start=1):
            row = {"body": body, "why": "unreadable" if seq == 4 else None}
            await conn.execute(text(f"INSERT INTO entry VALUES ('{CAMPUS}', 'agent-1', 1, {seq}, :body, :why)"), row)
    assert await store.upgrade()
    async with store.reading() as conn:
        lines = [(row.no, row.posted_at, row.ref, row.about) async for row in audit.lines(conn, CAMPUS)]
        wallets = {row["learner"]: row["balance"] async for row in books.wallets(conn, CAMPUS)}
        faults: list[str] = []
        await audit.check(conn, CAMPUS, {("ann", "points"): 6, ("ben", "points"): 10}, faults.append)
    await store.close()
    assert lines == [
        (1, 100, "agent-1/1-1", ""),
        (2, 100, "agent-1/1-2", ""),
        (3, 200, "agent-1/1-3", "agent-1/1-1"),
    ]
    assert (wallets, faults) == ({"ann": 6, "ben": 10}, [])
