"""Balances as what they are: the entries, added up. Rebuilt in one pass, and compared with what stands."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import aiosqlite

from agent.errors import IntegrityError
from agent.ledger.record import LOWERED, totals
from wire import entry as wire_entry

Balances = dict[tuple[int, str], tuple[int, int]]
"""(person_no, currency) → (amount, lifetime)."""

Progress = Callable[[int], None]
"""Told the seq that was just read."""

READ_AT_ONCE = 5_000
_BODIES = "SELECT seq, body, person_no FROM entry WHERE seq > ? ORDER BY seq LIMIT ?"
_COLUMNS = "person_no, currency, amount, lifetime"


class Sums:
    """Balances as entries are added to them, one after the other."""

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, person_no: int, fields: Mapping[str, Any]) -> None:
        """Move one account. The lifetime total is the most that there ever was; only a person lowers it."""
        total = self._sums[person_no, fields["currency"]]
        total[0] += fields["amount"]
        total[1] = max(0 if fields["rule"] == LOWERED else total[1], total[0])

    def balances(self) -> Balances:
        """What they come to."""
        return {key: (amount, lifetime) for key, (amount, lifetime) in self._sums.items()}


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

    Raises:
        IntegrityError: an entry's bytes cannot be read; the balances stay as they are.
    """
    sums, after = Sums(), 0
    while rows := list(await connection.execute_fetchall(_BODIES, (after, READ_AT_ONCE))):
        for seq, body, person_no in rows:
            try:
                sums.add(person_no, wire_entry.decode(body))
            except wire_entry.MalformedEntryError as exc:
                raise IntegrityError(f"entry {seq}: {exc}", hint="run: rewards-agent ledger verify") from None
        after = rows[-1][0]
    before = {tuple(row) for row in await connection.execute_fetchall(f"SELECT {_COLUMNS} FROM balance")}  # noqa: S608
    after_all = [(*key, *total) for key, total in sorted(sums.balances().items())]
    await connection.execute("DELETE FROM balance")
    await connection.executemany(f"INSERT INTO balance ({_COLUMNS}) VALUES (?, ?, ?, ?)", after_all)  # noqa: S608
    await totals.count(connection)
    return len(after_all), len({row[:2] for row in before ^ set(after_all)})
