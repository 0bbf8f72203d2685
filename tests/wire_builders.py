"""Entries, chains and batches for tests: one call, sane defaults, override one field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosqlite

from agent.ledger.writer import Writer
from wire import batch, chain, entry, keys

CAMPUS = "uni-example"
NOW = 1_790_000_000


def an_entry(seq: int = 1, **changes: Any) -> bytes:
    """The stored bytes of one entry; by default 10 points for one of seven learners."""
    fields: dict[str, Any] = {
        "v": 1,
        "entry_id": f"1-{seq}",
        "seq": seq,
        "kind": "award",
        "learner": f"learner{seq % 7}",
        "currency": "points",
        "amount": 10,
        "rule": "lesson-completed",
        "rules_version": "ab" * 32,
        "source": "moodle",
        "trust": "server_verified",
        "occurred_at": NOW + seq,
        "recorded_at": NOW + seq + 1,
        "event_ref": "cd" * 32,
        "scope_ref": "ef" * 32,
        "generation": 0,
        "reason": "",
        "reverses": "",
    }
    return entry.encode(fields | changes)


def entries(first: int, last: int, **changes: Any) -> list[bytes]:
    """The entries from ``first`` to ``last``, both included."""
    return [an_entry(seq, **changes) for seq in range(first, last + 1)]


def a_header(
    bodies: Sequence[bytes], *, first: int = 1, previous: bytes = chain.GENESIS, **changes: Any
) -> batch.Header:
    """The header that belongs to ``bodies``."""
    fields: dict[str, Any] = {
        "campus": CAMPUS,
        "agent": "agent-1",
        "epoch": 1,
        "first_seq": first,
        "last_seq": first + len(bodies) - 1,
        "previous": previous,
        "head": chain.head(previous, bodies),
        "low_water": {"moodle": 1000},
        "environment": "production",
    }
    return batch.Header(**(fields | changes))


def a_batch(first: int = 1, last: int = 3, **changes: Any) -> bytes:
    """A sealed batch on top of the chain of `entries(1, first - 1)`."""
    previous = chain.head(chain.GENESIS, entries(1, first - 1))
    bodies = entries(first, last)
    return batch.encode(a_header(bodies, first=first, previous=previous, **changes), bodies)


def a_key(directory: Path, name: str = "agent.ed25519") -> keys.Key:
    """A fresh key in a file under ``directory``."""
    return keys.create(directory / name)


async def append_entries(writer: Writer, bodies: Sequence[bytes]) -> None:
    """Put entries at the end of a ledger, chained, as the recorder would."""

    async def unit(conn: aiosqlite.Connection) -> None:
        async with conn.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1") as cursor:
            row = await cursor.fetchone()
        seq, head = row or (0, chain.GENESIS)
        rows = []
        for body in bodies:
            seq, head = seq + 1, chain.step(head, body)
            rows.append((seq, body, head))
        await conn.executemany("INSERT INTO entry (seq, body, hash, person_no) VALUES (?, ?, ?, 1)", rows)

    await writer.run(unit)
