"""A catalogue from before there were months has all its books afterwards, each line in its month."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError

from catalogue.acts import Act
from catalogue.archive import making
from catalogue.archive.files import Place
from catalogue.finance import closing
from catalogue.schema import metadata
from catalogue.store import Store, months
from catalogue.store.base import MIGRATIONS
from catalogue.verify import verify
from tests.integration.scale.campus import Campus
from tests.servers import PostgresDatabase
from tests.wire_builders import an_entry

SEPTEMBER, OCTOBER, NOVEMBER = (months.begins(f"2026-{month}") for month in ("09", "10", "11"))


def to_the_fourteenth(conn: Connection, rows: dict[str, list[dict[str, Any]]]) -> None:
    """The schema of before, with these rows."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    command.upgrade(config, "0014")
    before = MetaData()
    before.reflect(conn)
    for table in before.sorted_tables:
        for row in rows.get(table.name, []):
            conn.execute(insert(table).values({name: row[name] for name in row if name in table.c}))


def back_to_the_twenty_third(conn: Connection) -> None:
    """The schema before carried wallets said whose they are."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    command.downgrade(config, "0023")


async def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    found = {}
    async with store.reading() as conn:
        for table in metadata.sorted_tables:
            rows = await conn.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
    return found


async def live(campus: Campus) -> None:
    """Three months of books: entries that were set aside, a spend, a clock that went back."""
    await campus.deliver({"learner": "ann"}, {"learner": "ben"}, at=SEPTEMBER + 5)
    await campus.spend("ann", 4, "tea:1", at=SEPTEMBER + 9)
    bodies = [an_entry(3, learner="ann"), b"nonsense", an_entry(5, kind="strange"), an_entry(6, amount=2 * 10**18)]
    await campus.deliver_bytes(bodies, at=OCTOBER + 5)
    await campus.deliver({"learner": "ann"}, at=OCTOBER - 100)
    await campus.refund("ann", 2, "tea:1", at=NOVEMBER + 1)
    await campus.deliver({"learner": "ben"}, at=NOVEMBER + 5)
    await campus.deliver_bytes([b"nonsense"], at=NOVEMBER + 6)


async def test_an_upgrade_gives_every_line_its_month_and_changes_none(
    campus: Campus, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await live(campus)
    was = await everything(campus.store)
    url = f"sqlite:///{tmp_path}/old.db"
    if "postgresql" in request.node.name:
        url = request.getfixturevalue("postgres_database").dsn
    older = await Store.open(make_url(url), check_schema=False)
    try:
        async with older.writing() as conn:
            await conn.run_sync(to_the_fourteenth, was)
        assert await older.upgrade()
        now = await everything(older)
        async with older.reading() as conn:
            report = await verify(conn, campus.key.public, now=NOVEMBER + 9)
        for table in ("entry", "movement_key", "batch"):
            with pytest.raises(DBAPIError, match="only grow"):
                async with older.writing() as conn:
                    await conn.execute(text(f"DELETE FROM {table}"))
    finally:
        await older.close()
    assert now == was
    assert (report.entries, report.faults) == (9, [])


async def test_an_upgrade_that_is_cut_short_leaves_the_books_as_they_were(
    parted_campus: Campus, postgres_database: PostgresDatabase
) -> None:
    await live(parted_campus)
    was = await everything(parted_campus.store)
    older = await Store.open(make_url(postgres_database.dsn), check_schema=False)

    async def cut(*_: Any) -> None:
        raise ConnectionError("the power went")

    try:
        async with older.writing() as conn:
            await conn.run_sync(to_the_fourteenth, was)
        with pytest.raises(ConnectionError):
            await older.upgrade(cut)
        async with older.reading() as conn:
            assert await conn.scalar(text("SELECT count(*) FROM entry")) == len(was["entry"])
        assert await older.upgrade()
        assert await everything(older) == was
    finally:
        await older.close()


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_an_upgrade_tells_of_carried_wallets_whose_they_are(campus: Campus, tmp_path: Path) -> None:
    await campus.deliver({"learner": "ann"}, {"learner": "ben"}, at=SEPTEMBER + 5)
    await campus.spend("ann", 4, "tea:1", at=SEPTEMBER + 9)
    async with campus.store.writing() as conn:
        await closing.close(conn, campus.name, now=OCTOBER, by="test")
    said = Act(campus=campus.name, by="test", at=OCTOBER, act="archive.make")
    await making.make(campus.store, Place(root=tmp_path, month="2026-09", campus=campus.name), said)
    whose = text("SELECT learner, entry, agent FROM carried_wallet ORDER BY learner")
    async with campus.store.writing() as conn:
        was = (await conn.execute(whose)).all()
        await conn.run_sync(back_to_the_twenty_third)
    assert await campus.store.upgrade()
    async with campus.store.reading() as conn:
        assert (await conn.execute(whose)).all() == was
    assert was == [("ann", "agent-1/1-1", "agent-1"), ("ben", "agent-1/1-2", "agent-1")]
