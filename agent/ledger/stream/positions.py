"""How far each receiver of callbacks was told: rows of `reader`, written as units for the writer."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import aiosqlite

from agent.ledger.delivery import Unit
from agent.ledger.stream.items import Position

PREFIX = "callback:"
"""Before the name of a callback in the table of readers."""

_READ = """
SELECT acked_seq, acked_decision, acked_notice, attempts, next_try_at, last_error, last_ok_at FROM reader WHERE name = ?
"""
_MOVE = """
INSERT INTO reader (name, acked_seq, acked_decision, acked_notice, last_ok_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET
  acked_seq = excluded.acked_seq, acked_decision = excluded.acked_decision,
  acked_notice = excluded.acked_notice,
  last_ok_at = coalesce(excluded.last_ok_at, last_ok_at), attempts = 0, next_try_at = 0, last_error = ''
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where one receiver stands; times are seconds UTC."""

    at: Position
    attempts: int
    next_try_at: int
    last_error: str
    last_ok_at: int | None


def reader_name(callback: str) -> str:
    """What a callback's reader is called."""
    return PREFIX + callback


def read(connection: sqlite3.Connection, callback: str) -> Receiver | None:
    """Where a callback stands; None where it was never begun."""
    row = connection.execute(_READ, (reader_name(callback),)).fetchone()
    if row is None:
        return None
    seq, decision_no, notice_no, attempts, next_try_at, last_error, last_ok_at = row
    return Receiver(
        at=Position(seq, decision_no, notice_no),
        attempts=attempts,
        next_try_at=next_try_at,
        last_error=last_error,
        last_ok_at=last_ok_at,
    )


def move(callback: str, at: Position, *, ok_at: int | None) -> Unit:
    """A unit that sets a callback to a position; ``ok_at`` is when it last took something (None: it took nothing)."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute(_MOVE, (reader_name(callback), at.seq, at.decision_no, at.notice_no, ok_at))

    return unit
