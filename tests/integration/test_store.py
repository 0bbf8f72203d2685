"""The catalogue's door to its database: what it hands out lives, whatever became of the connection before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.store import Store, postgres
from tests.servers import PostgresDatabase


@pytest.fixture
async def store(catalogue_database: PostgresDatabase) -> AsyncIterator[Store]:
    made = await Store.open(make_url(catalogue_database.dsn))
    yield made
    await made.close()


async def backend(conn: AsyncConnection) -> int:
    """Which of the server's processes answers."""
    return int(await conn.scalar(text("SELECT pg_backend_pid()")) or 0)


async def ended_by_the_server(store: Store, database: PostgresDatabase) -> tuple[int, asyncio.Event]:
    """End the one connection that there is; which it was, and when the network has told."""
    told = asyncio.Event()
    async with store.reading() as conn:
        driver = (await conn.get_raw_connection()).driver_connection
        assert driver is not None
        driver.add_termination_listener(lambda _: told.set())
        was = await backend(conn)
    database.execute(f"SELECT pg_terminate_backend({was})")
    return was, told


async def test_a_connection_that_the_server_ended_is_not_handed_out(
    store: Store, catalogue_database: PostgresDatabase
) -> None:
    was, told = await ended_by_the_server(store, catalogue_database)
    await told.wait()
    async with store.glancing() as conn:
        assert await backend(conn) != was


async def test_a_connection_that_nobody_used_for_long_is_tried_before_it_is_handed_out(
    store: Store, catalogue_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    was, told = await ended_by_the_server(store, catalogue_database)
    assert not told.is_set(), "the news has not been heard yet"
    monkeypatch.setattr(postgres, "IDLE_S", -1.0)
    async with store.writing() as conn:
        assert await backend(conn) != was


async def test_a_glance_needs_no_transaction_and_leaves_none_behind(store: Store) -> None:
    async with store.glancing() as conn:
        first = await conn.scalar(text("SELECT now()"))
        assert await conn.scalar(text("SELECT now()")) != first, "each statement is alone"
        was = await backend(conn)
    async with store.writing() as conn:
        assert await backend(conn) == was, "one pool for all"
        first = await conn.scalar(text("SELECT now()"))
        assert await conn.scalar(text("SELECT now()")) == first, "and who writes has a transaction"


async def refused(store: Store, sql: str) -> str:
    """What an error of the database says, all of it."""
    with pytest.raises(DBAPIError) as error:
        async with store.writing() as conn:
            await conn.execute(text(sql), {"said": "ann.of.the.moor"})
    return str(error.value)


async def test_what_was_to_be_kept_is_in_no_error_of_the_database(store: Store, catalogue_file: Path) -> None:
    assert "ann.of" not in await refused(store, "SELECT 1 / 0, CAST(:said AS text)")
    embedded = await Store.open(make_url(f"sqlite:///{catalogue_file}"))
    try:
        assert "ann.of" not in await refused(embedded, "SELECT json(:said)")
    finally:
        await embedded.close()
