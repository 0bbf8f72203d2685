"""What works in a thread goes on when whoever waits for it is broken off: nothing is tidied away beneath it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.errors import BusyError
from agent.ledger import file
from agent.ledger.writer import Writer
from catalogue.backup import embedded
from catalogue.backup.holding import Hold


def database(path: Path, table: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table} (one INTEGER)")
    return path


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_schema")]


async def nothing(_: AsyncConnection) -> None:
    """Whatever stands there holds."""


async def test_a_restore_that_is_broken_off_while_it_is_put_in_place_is_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C took the copy away beneath what set the old database aside: an empty one stood in its place."""
    path, copy = database(tmp_path / "catalogue.db", "old"), database(tmp_path / "copy.db", "new")
    begun, goes_on, finish = threading.Event(), threading.Event(), embedded.finish

    def slowly(fresh: Path) -> None:
        begun.set()
        goes_on.wait(60)
        finish(fresh)

    monkeypatch.setattr(embedded, "finish", slowly)
    hold = Hold(proves=nothing, notes=nothing)
    url = make_url(f"sqlite:///{path}")
    loading = asyncio.ensure_future(embedded.Embedded().load(copy, url, tmp_path / "aside", hold))
    await asyncio.to_thread(begun.wait, 60)
    loading.cancel()
    await asyncio.wait([loading], timeout=0.2)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert tables(path) == ["new"]
    assert tables(tmp_path / "aside" / path.name) == ["old"]
    assert not list(tmp_path.glob(".*"))


async def test_an_upgrade_of_a_ledger_that_is_broken_off_keeps_its_lock_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock was let go beneath it, and another agent could begin on the same file."""
    begun, goes_on, migrate = threading.Event(), threading.Event(), file.migrate

    def slowly(connection: sqlite3.Connection, path: Path) -> int:
        begun.set()
        goes_on.wait(60)
        return migrate(connection, path)

    monkeypatch.setattr(file, "migrate", slowly)
    opening = asyncio.ensure_future(Writer.open(tmp_path))
    await asyncio.to_thread(begun.wait, 60)
    opening.cancel()
    await asyncio.wait([opening], timeout=0.2)
    with pytest.raises(BusyError):
        file.Lock(tmp_path).acquire()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with file.Lock(tmp_path):
        assert file.ledger_path(tmp_path).exists()
