"""Statements that take somebody out of a file, what a file can hold at all, and leaving no bytes of it behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import aiosqlite

from agent.errors import TransientError

Statement = tuple[str, Sequence[tuple[Any, ...]]]
"""(SQL, the rows it is run with)."""

BYTES_DUE = "erased_bytes_due"
"""The setting of a file from which somebody was taken and whose free pages were not made anew since."""


def tables_of(connection: sqlite3.Connection) -> dict[str, frozenset[str]]:
    """The tables of a file with their columns."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {
        name: frozenset(row[1] for row in connection.execute(f"PRAGMA table_info({name})"))
        for (name,) in names.fetchall()
    }


def written(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """Carry them out; the transaction is the caller's."""
    for sql, rows in statements:
        if rows:
            connection.executemany(sql, rows)


def made_anew(connection: sqlite3.Connection) -> None:
    """Write every page of a file again, so that nothing of what was removed is left in it. No transaction is open."""
    connection.execute("PRAGMA temp_store = FILE")  # a copy of a large ledger is not to be held in memory
    connection.execute("VACUUM")


async def every_page_anew(connection: aiosqlite.Connection) -> None:
    """The same for a ledger at work: free pages and its write-ahead log hold what was removed until they are written.

    No transaction is open.

    Raises:
        TransientError: somebody reads; it is still to be done.
    """
    await connection.execute("PRAGMA temp_store = FILE")
    try:
        await connection.execute("VACUUM")
        ((busy, _, _),) = await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        await connection.execute("PRAGMA temp_store = MEMORY")
    if busy:
        raise TransientError(
            "somebody reads the ledger, so its write-ahead log still holds what was removed",
            hint="end other commands on this ledger, then run the same again",
        )
    await connection.execute("DELETE FROM setting WHERE key = ?", (BYTES_DUE,))


async def every_page_anew_if_due(connection: aiosqlite.Connection) -> None:
    """The same where an erasure was broken off before it."""
    if list(await connection.execute_fetchall("SELECT 1 FROM setting WHERE key = ?", (BYTES_DUE,))):
        await every_page_anew(connection)


def made_anew_if_due(connection: sqlite3.Connection) -> None:
    """The same for a copy of a file in which that was still to be done."""
    has_settings = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'setting'").fetchone()
    if has_settings and connection.execute("SELECT 1 FROM setting WHERE key = ?", (BYTES_DUE,)).fetchone():
        made_anew(connection)
        connection.execute("DELETE FROM setting WHERE key = ?", (BYTES_DUE,))
        connection.commit()
