"""The schema defends itself: what stands in table `entry` stays."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import aiosqlite
import pytest

from agent.errors import IntegrityError
from agent.ledger import file
from tests.ledgers import Ledger, rows

ENTRY = (b"{}", b"\0" * 32, 1, None, None)


@contextlib.contextmanager
def plain_connection(ledger: Ledger) -> Iterator[sqlite3.Connection]:
    """Somebody with the sqlite3 shell: none of the writer's settings."""
    path = file.ledger_path(ledger.data_dir)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entry SET body = x'00' WHERE seq = 2",
        "UPDATE entry SET person_no = 9 WHERE seq = 2",
        "DELETE FROM entry WHERE seq = 2",
        "DELETE FROM entry",
    ],
)
async def test_an_entry_can_be_neither_updated_nor_deleted(ledger: Ledger, sql: str) -> None:
    await ledger.pay(3)
    before = rows(ledger.data_dir, "SELECT * FROM entry")

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute(sql)

    with pytest.raises(IntegrityError, match="the ledger only grows"):
        await ledger.run(unit)
    with plain_connection(ledger) as connection, pytest.raises(sqlite3.IntegrityError, match="the ledger only grows"):
        connection.execute(sql)
    assert rows(ledger.data_dir, "SELECT * FROM entry") == before


@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE", "INSERT"])
async def test_no_insert_takes_the_place_of_an_entry(ledger: Ledger, verb: str) -> None:
    await ledger.pay(3)
    before = rows(ledger.data_dir, "SELECT * FROM entry")
    sql = f"{verb} INTO entry VALUES (2, ?, ?, ?, ?, ?)"

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute(sql, ENTRY)

    with pytest.raises(IntegrityError):
        await ledger.run(unit)
    with plain_connection(ledger) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(sql, ENTRY)
    assert rows(ledger.data_dir, "SELECT * FROM entry") == before


@pytest.mark.parametrize("seq", [-1, 0, 5, 1_000])
async def test_entries_are_numbered_without_gaps(ledger: Ledger, seq: int) -> None:
    await ledger.pay(3)
    with (
        plain_connection(ledger) as connection,
        pytest.raises(sqlite3.IntegrityError, match="entries are numbered without gaps"),
    ):
        connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", (seq, *ENTRY))


async def test_the_first_entry_is_number_one(ledger: Ledger) -> None:
    with (
        plain_connection(ledger) as connection,
        pytest.raises(sqlite3.IntegrityError, match="entries are numbered without gaps"),
    ):
        connection.execute("INSERT INTO entry VALUES (2, ?, ?, ?, ?, ?)", ENTRY)


@pytest.mark.parametrize("value", [1.5, "ten", None])
async def test_an_amount_is_never_anything_but_a_whole_number(ledger: Ledger, value: object) -> None:
    with plain_connection(ledger) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO balance VALUES (1, 'points', ?, 0)", (value,))


async def test_one_scope_is_taken_once_in_each_generation(ledger: Ledger) -> None:
    await ledger.pay(1)
    with plain_connection(ledger) as connection, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(
            "INSERT INTO quota_use SELECT meter_no, bucket, person_no, slot, at, amount, 99, 0 FROM quota_use"
            " WHERE meter_no = (SELECT no FROM name WHERE text = 'once:lesson-completed')"
        )
