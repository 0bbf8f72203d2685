"""Bringing the books up to date is killed on its way (`kill -9`): nothing of it is done, and the same command goes on.

The way has some hundred statements from here; a longer look, from each of the earlier schemas and at seven moments of
each way, found nothing that was half done, on either database.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, event, insert, make_url, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from catalogue import schema
from catalogue.store import Store
from catalogue.store.base import MIGRATIONS
from tests.integration.scale.campus import Campus
from tests.integration.scale.test_upgrade import everything, live
from wire import keys

BOOKS = ("entry", "movement", "wallet")
EARLIER = "0008"
"""From before there were budgets, months and acts: most of what an upgrade does it does from here."""
KILLS = 3


def _config(conn: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    return config


def founded(conn: Connection, revision: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    """An earlier schema with what of these rows it can hold."""
    command.upgrade(_config(conn), revision)
    tables = MetaData()
    tables.reflect(conn)
    for table in tables.sorted_tables:
        for row in rows.get(table.name, []):
            try:
                with conn.begin_nested():
                    conn.execute(insert(table).values({name: row[name] for name in row if name in table.c}))
            except DBAPIError:
                assert table.name not in BOOKS, f"{table.name} could not be filled"


def _seen(conn: Connection) -> dict[str, tuple[list[str], list[str]]]:
    """Table → columns and rows."""
    tables = MetaData()
    tables.reflect(conn)
    return {
        table.name: ([column.name for column in table.columns], sorted(map(repr, conn.execute(select(table)).all())))
        for table in tables.sorted_tables
    }


async def seen(url: str) -> dict[str, tuple[list[str], list[str]]]:
    """All that a database of any schema holds."""
    store = await Store.open(make_url(url), check_schema=False)
    try:
        async with store.reading() as conn:
            return await conn.run_sync(_seen)
    finally:
        await store.close()


def killed_in(url: str, number: int) -> None:
    """An upgrade in a process of its own, which is killed before its n-th statement."""
    if (child := os.fork()) == 0:
        try:
            with each_statement(lambda count: os.kill(os.getpid(), signal.SIGKILL) if count == number else None):
                asyncio.run(upgrade(url))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@contextmanager
def each_statement(do: Callable[[int], None]) -> Iterator[None]:
    """Have the number of each statement told before it is carried out."""
    numbers = count(1)

    def note(*_: object) -> None:
        do(next(numbers))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def upgrade(url: str, *, whole: bool = True) -> None:
    """What `rewards-catalogue init` does; where it is not to be ``whole``, all is undone at its end."""
    store = await Store.open(make_url(url), check_schema=False)

    async def undo(*_: Any) -> None:
        raise UndoneError

    try:
        await store.upgrade(None if whole else undo)
    finally:
        await store.close()


class UndoneError(Exception):
    """The last statement was carried out."""


def statements_of(url: str) -> int:
    """How many statements an upgrade has."""
    seen: list[int] = []
    with each_statement(seen.append), pytest.raises(UndoneError):
        asyncio.run(upgrade(url, whole=False))
    return len(seen)


async def founded_at(url: str, revision: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    store = await Store.open(make_url(url), check_schema=False)
    async with store.writing() as conn:
        await conn.run_sync(founded, revision, rows)
    await store.close()


async def lived(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of a campus's three months."""
    store = await Store.open(make_url(f"sqlite:///{path}"))
    await live(await Campus.made(store, keys.create(path.with_name("catalogue.ed25519"))))
    rows = await everything(store)
    await store.close()
    return rows


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_in_any_migration_the_books_are_as_they_were_and_the_same_command_goes_on(
    kind: str, tmp_path: Path, catalogue_file: Path, request: pytest.FixtureRequest
) -> None:
    rows = asyncio.run(lived(Path(shutil.copy(catalogue_file, tmp_path / "books.db"))))
    url = f"sqlite:///{tmp_path}/old.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_database").dsn
    asyncio.run(founded_at(url, EARLIER, rows))
    before, many = asyncio.run(seen(url)), statements_of(url)
    assert asyncio.run(seen(url)) == before
    for number in [*range(1, many, many // KILLS), many]:
        killed_in(url, number)
        assert asyncio.run(seen(url)) == before, f"killed before statement {number} of {many}"
    asyncio.run(upgrade(url))
    after = asyncio.run(seen(url))
    assert after["alembic_version"][1] == [f"('{schema.REVISION}',)"]
    assert all(len(after[table][1]) == len(before[table][1]) > 0 for table in BOOKS)
