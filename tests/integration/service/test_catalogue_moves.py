"""A catalogue that grew in SQLite goes on in PostgreSQL: every row of it, or nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command as alembic
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection, create_engine, make_url, select

from catalogue import schema
from catalogue.app import wall_clock
from catalogue.backup.copies import Manifest
from catalogue.finance import closing as finance
from catalogue.store import Store
from catalogue.store.base import MIGRATIONS
from machine import copies
from tests.integration.service.managed import Managed, managed
from tests.integration.service.test_catalogue_backup import an_agent, backup, balance, deliver
from tests.integration.test_catalogue_process import command
from tests.servers import PostgresDatabase
from tests.wire_builders import CAMPUS
from wire import keys

OF_THE_MOVE = {"act", "act_head", "recognition_head"}
"""What says that it was moved, and with which number kudos go on then."""
YEAR_S = 366 * 86_400


async def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    store = await Store.open(make_url(url))
    try:
        async with store.reading() as conn:
            return {
                name: sorted((tuple(row) for row in await conn.execute(select(table))), key=repr)
                for name, table in schema.metadata.tables.items()
                if name not in OF_THE_MOVE
            }
    finally:
        await store.close()


async def close_a_month(books: Path) -> None:
    """Close the present month, as its end were over."""
    store = await Store.open(make_url(f"sqlite:///{books}"))
    try:
        async with store.writing() as conn:
            await finance.close(conn, CAMPUS, now=wall_clock() + YEAR_S, by="test")
    finally:
        await store.close()


def goes_to(it: Managed, database: PostgresDatabase) -> None:
    it.config.write_text(f'{it.config.read_text(encoding="utf-8")}url = "{database.dsn}"\n', encoding="utf-8")


def tables(database: PostgresDatabase) -> list[tuple[Any, ...]]:
    return database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")


async def test_books_that_grew_in_sqlite_go_on_in_postgresql(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    with managed(tmp_path / "c") as it:
        hand = await an_agent(it)
        await deliver(hand, 1)
        for words in (
            ("reward", "add", CAMPUS, "tea", "--title", "Tea", "--price", "points=50", "--approve"),
            ("redeem", CAMPUS, "learner1", "tea", "--key", "wish"),
            ("kudos", "policy", CAMPUS, "badges=campus"),
        ):
            await asyncio.to_thread(command, *words, "--config", it.config)
        await asyncio.to_thread(it.served.end, signal.SIGTERM)
        books = it.config.parent / "catalogue.db"
        await close_a_month(books)
        made = await asyncio.to_thread(backup, it, tmp_path / "copies")
        goes_to(it, postgres_database)
        putting = ("restore", made["backup"], "--yes", "--config", it.config, "--json")
        told = json.loads((await asyncio.to_thread(command, *putting)).stdout)
        assert (told["entries"], told["set_aside"]) == (20, "")
        assert await rows(postgres_database.dsn) == await rows(f"sqlite:///{books}")
        assert not [path for path in it.config.parent.iterdir() if "moving" in path.name]
        parts = [name for (name,) in tables(postgres_database) if name.startswith("movement_2")]
        assert len(parts) >= 4, "months to come have their parts too"
        await asyncio.to_thread(it.start)
        stand = await hand.stand()
        assert stand.seq == 20
        report = json.loads((await asyncio.to_thread(command, "verify", "--config", it.config, "--json")).stdout)
        assert (report["entries"], report["faults"]) == (20, [])
        assert await asyncio.to_thread(balance, it) == 150
        await hand.client.close()


def edited(copy: Path, *statements: str, **said: Any) -> Path:
    """A copy whose books were changed by somebody who knows how a copy says that it is whole."""
    book = copy / "catalogue.db"
    with closing(sqlite3.connect(book)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    manifest = dataclasses.replace(Manifest.read(copy), files={book.name: copies.digest(book)}, **said)
    manifest.write(copy)
    return copy


def test_what_does_not_hold_or_cannot_be_kept_leaves_the_database_empty(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    it = Managed(tmp_path, "")
    it.close()
    command("init", "--config", it.config)
    tenant = f"INSERT INTO tenant VALUES ('{CAMPUS}', {{}}, 'production', 'active', 1)"
    wallet = f"INSERT INTO wallet VALUES ('{CAMPUS}', 'x', 'points', 5, 5, 0, NULL, 0)"
    untrue = edited(Path(backup(it, tmp_path / "untrue")["backup"]), tenant.format("''"), wallet, wallets=1)
    odd = edited(Path(backup(it, tmp_path / "odd")["backup"]), tenant.format("'a' || char(0) || 'b'"))
    goes_to(it, postgres_database)
    for copy, why in ((untrue, "the backup does not hold"), (odd, "a row of tenant cannot be kept in PostgreSQL")):
        refused = command("restore", copy, "--yes", "--config", it.config, code=3)
        assert why in refused.stderr
        assert tables(postgres_database) == []
    postgres_database.execute("CREATE TABLE something (here integer)")
    assert "has tables in it already" in command("restore", odd, "--yes", "--config", it.config, code=2).stderr


def test_a_copy_of_an_older_schema_is_brought_to_this_one_on_the_way(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    it, copy = Managed(tmp_path, ""), tmp_path / "copies" / "catalogue-old"
    it.close()
    command("init", "--config", it.config)
    copy.mkdir(parents=True)
    book = copy / "catalogue.db"
    with create_engine(f"sqlite:///{book}").begin() as connection:
        _upgrade(connection, "0016")
        connection.exec_driver_sql(f"INSERT INTO tenant VALUES ('{CAMPUS}', 'Uni', 'production', 'active', 1)")
    Manifest(
        made_at=wall_clock(),
        database="sqlite",
        schema="0016",
        key=keys.load(tmp_path / "catalogue.ed25519").public.hex(),
        campuses=1,
        agents=0,
        batches=0,
        entries=0,
        wallets=0,
        files={book.name: copies.digest(book)},
    ).write(copy)
    digest = copies.digest(book)
    goes_to(it, postgres_database)
    told = json.loads(command("restore", copy, "--yes", "--config", it.config, "--json").stdout)
    assert not [remark for remark in told["remarks"] if "rewards-catalogue init" in remark]
    (campus,) = json.loads(command("tenant", "list", "--config", it.config, "--json").stdout)
    assert (campus["campus"], campus["title"]) == (CAMPUS, "Uni")
    assert copies.digest(book) == digest, "the copy stays as it was"


def _upgrade(connection: Connection, revision: str) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.upgrade(config, revision)


async def test_books_of_postgresql_do_not_go_into_sqlite(tmp_path: Path, postgres_database: PostgresDatabase) -> None:
    with managed(tmp_path / "c", database=postgres_database.dsn) as it:
        made = await asyncio.to_thread(backup, it, tmp_path / "copies")
        await asyncio.to_thread(it.served.end, signal.SIGTERM)
        text = it.config.read_text(encoding="utf-8").replace(f'url = "{postgres_database.dsn}"\n', "")
        it.config.write_text(text, encoding="utf-8")
        refused = await asyncio.to_thread(command, "restore", made["backup"], "--yes", "--config", it.config, code=2)
    assert "is of postgresql" in refused.stderr


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
