"""Balances as what they are: the entries, added up. Rebuilt in one pass, and compared with what stands."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator

import aiosqlite

from wire import entry as wire_entry

Balances = dict[tuple[int, str], tuple[int, int]]
"""(person_no, currency) → (amount, lifetime)."""

Progress = Callable[[int], None]
"""Told the seq that was just read."""

READ_AT_ONCE = 5_000
_COLUMNS = "person_no, currency, amount, lifetime"


def bodies(connection: sqlite3.Connection, after: int = 0) -> Iterator[tuple[int, bytes, bytes, int]]:
    """(seq, body, hash, person_no) of every entry after ``after``, in order, in constant memory."""
    while rows := connection.execute(
        "SELECT seq, body, hash, person_no FROM entry WHERE seq > ? ORDER BY seq LIMIT ?", (after, READ_AT_ONCE)
    ).fetchall():
        yield from rows
        after = rows[-1][0]


def movement(body: bytes) -> tuple[str, int, int]:
    """(currency, amount, lifetime) that an entry adds: reversals take from the amount and leave the lifetime total."""
    fields = wire_entry.decode(body)
    amount = fields["amount"]
    return fields["currency"], amount, max(amount, 0) if fields["kind"] != "reversal" else 0


def fold(connection: sqlite3.Connection, progress: Progress = lambda _: None) -> Balances:
    """The balances that follow from the entries alone."""
    sums: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for seq, body, _, person_no in bodies(connection):
        currency, amount, lifetime = movement(body)
        total = sums[person_no, currency]
        total[0] += amount
        total[1] += lifetime
        if seq % READ_AT_ONCE == 0:
            progress(seq)
    return {key: (amount, lifetime) for key, (amount, lifetime) in sums.items()}


def stored(connection: sqlite3.Connection) -> Balances:
    """The balances as they stand in the table."""
    return {
        (person_no, currency): (amount, lifetime)
        for person_no, currency, amount, lifetime in connection.execute(
            "SELECT person_no, currency, amount, lifetime FROM balance"
        )
    }


async def rebuild(connection: aiosqlite.Connection) -> tuple[int, int]:
    """Work every balance out again from the entries and put it in place (a unit for the writer).

    Returns how many there are and how many were not as they should be.
    """
    sums: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    after = 0
    while rows := list(
        await connection.execute_fetchall(
            "SELECT seq, body, person_no FROM entry WHERE seq > ? ORDER BY seq LIMIT ?", (after, READ_AT_ONCE)
        )
    ):
        for _, body, person_no in rows:
            currency, amount, lifetime = movement(body)
            total = sums[person_no, currency]
            total[0] += amount
            total[1] += lifetime
        after = rows[-1][0]
    before = {tuple(row) for row in await connection.execute_fetchall(f"SELECT {_COLUMNS} FROM balance")}  # noqa: S608
    after_all = [(*key, *total) for key, total in sorted(sums.items())]
    await connection.execute("DELETE FROM balance")
    await connection.executemany(f"INSERT INTO balance ({_COLUMNS}) VALUES (?, ?, ?, ?)", after_all)  # noqa: S608
    return len(after_all), len({row[:2] for row in before ^ set(after_all)})
