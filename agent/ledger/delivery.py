"""The ledger's readers: how far each was confirmed, the one batch it has sealed, and what was answered.

Functions that read take a read-only connection; functions that write are units for the writer, or parts of one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite

from agent import queries
from agent.errors import IntegrityError
from wire import chain
from wire.receipt import Receipt

CATALOGUE = "catalogue"
"""The reader that brings the ledger to the central catalogue."""
CAMPUS = "campus"
AGENT = "agent_id"
EPOCH = "epoch"
CATALOGUE_KEY = "catalogue_key"
CATALOGUE_KEYS = "catalogue_keys"
CATALOGUE_URL = "catalogue_url"
AGENT_KEY = "agent_key"
"""The fingerprint of the key that this agent enrolled with or rotated to; absent in ledgers of before."""
NOTICE = "catalogue_notice"
"""What the catalogue wants people at the campus to know, or empty."""
CLOCK = "catalogue_clock"
"""How many seconds this machine's clock was ahead of the catalogue's when it was last asked."""

_SQL = queries.load("agent.ledger", "delivery.sql")

Unit = Callable[[aiosqlite.Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this agent is to the catalogue, and the key (32 bytes) that signs the catalogue's answers.

    ``catalogue_keys`` are all that are known of it, the newest last: receipts of before were signed by one of them.
    """

    campus: str
    agent: str
    epoch: int
    catalogue_public: bytes
    catalogue_keys: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Where one reader stands. Times are seconds UTC; ``fault`` stops it until it is cured."""

    name: str
    acked_seq: int = 0
    attempts: int = 0
    next_try_at: int = 0
    last_error: str = ""
    last_ok_at: int | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """One entry's exact bytes and the chain's hash after it."""

    seq: int
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A batch whose bytes do not change until it is acknowledged."""

    epoch: int
    first_seq: int
    last_seq: int
    head: bytes
    body: bytes
    sealed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReceipt:
    """A receipt as it came: its bytes and the header lines that sign it."""

    receipt: Receipt
    body: bytes
    signature: str


async def identity(conn: aiosqlite.Connection) -> Identity | None:
    """Who this agent is, or None where it is not enrolled."""
    found = await settings(conn, (CAMPUS, AGENT, EPOCH, CATALOGUE_KEY, CATALOGUE_KEYS))
    if not {CAMPUS, AGENT, CATALOGUE_KEY} <= found.keys():
        return None
    return Identity(
        campus=found[CAMPUS],
        agent=found[AGENT],
        epoch=int(found.get(EPOCH, "1")),
        catalogue_public=bytes.fromhex(found[CATALOGUE_KEY]),
        catalogue_keys=tuple(bytes.fromhex(key) for key in found.get(CATALOGUE_KEYS, "").split()),
    )


async def settings(conn: aiosqlite.Connection, names: Sequence[str]) -> dict[str, str]:
    """Those of the named settings that are there."""
    marks = ", ".join("?" * len(names))
    rows = await conn.execute_fetchall(f"SELECT key, value FROM setting WHERE key IN ({marks})", tuple(names))  # noqa: S608
    return dict(map(tuple, rows))


async def reader(conn: aiosqlite.Connection, name: str = CATALOGUE) -> Reader:
    """Where a reader stands; one that never read stands at the beginning."""
    row = await _row(conn, _SQL["reader"], (name,))
    if row is None:
        return Reader(name=name)
    acked_seq, attempts, next_try_at, last_error, last_ok_at, fault = row
    return Reader(
        name=name,
        acked_seq=acked_seq,
        attempts=attempts,
        next_try_at=next_try_at,
        last_error=last_error,
        last_ok_at=last_ok_at,
        fault=fault,
    )


async def newest_seq(conn: aiosqlite.Connection) -> int:
    """The seq of the newest entry, 0 where there is none."""
    row = await _row(conn, _SQL["newest_seq"], ())
    return int(row[0]) if row else 0


async def head_at(conn: aiosqlite.Connection, seq: int) -> bytes | None:
    """The chain's hash after entry ``seq`` (32 bytes), or None where there is no such entry."""
    if seq == 0:
        return chain.GENESIS
    row = await _row(conn, _SQL["head_at"], (seq,))
    return None if row is None else bytes(row[0])


async def entries_after(conn: aiosqlite.Connection, seq: int, limit: int) -> list[StoredEntry]:
    """At most ``limit`` entries after ``seq``, in order."""
    rows = await conn.execute_fetchall(_SQL["entries_after"], (seq, limit))
    return [StoredEntry(seq=seq, body=body, hash=hash_) for seq, body, hash_ in rows]


async def low_water(conn: aiosqlite.Connection) -> dict[str, int]:
    """Per source one below the lowest open gap, else the position: nothing at or below it is needed again."""
    return dict(map(tuple, await conn.execute_fetchall(_SQL["low_water"])))


async def sealed(conn: aiosqlite.Connection, name: str = CATALOGUE) -> Sealed | None:
    """The batch a reader has under way, or None."""
    row = await _row(conn, _SQL["sealed"], (name,))
    if row is None:
        return None
    epoch, first_seq, last_seq, head, body, sealed_at = row
    return Sealed(epoch=epoch, first_seq=first_seq, last_seq=last_seq, head=head, body=body, sealed_at=sealed_at)


def keep_settings(values: Mapping[str, str]) -> Unit:
    """A unit that writes settings."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.executemany(_SQL["keep_setting"], list(values.items()))

    return unit


def keep_keys(publics: Sequence[bytes]) -> Unit:
    """A unit that remembers by which keys the catalogue signed, the newest last: by that one it does now.

    Where it is the catalogue of before, keys stay that its chain (``publics``) does not tell any more, as after it was
    put back from an older copy: receipts and pages of its statement that are kept here are signed by any of them.
    """
    now = [key.hex() for key in publics]

    async def unit(conn: aiosqlite.Connection) -> None:
        before = await settings(conn, (CATALOGUE_KEY, CATALOGUE_KEYS))
        known = [*before.get(CATALOGUE_KEYS, "").split(), before.get(CATALOGUE_KEY, "")]
        same = not set(known).isdisjoint(now)
        kept = dict.fromkeys(key for key in known if same and key and key not in now)
        await keep_settings({CATALOGUE_KEY: now[-1], CATALOGUE_KEYS: " ".join([*kept, *now])})(conn)

    return unit


def both(first: Unit, second: Unit) -> Unit:
    """A unit that does two in one transaction."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await first(conn)
        await second(conn)

    return unit


def keep_sealed(batch: Sealed, name: str = CATALOGUE) -> Unit:
    """A unit that keeps a sealed batch's bytes until it is settled; a reader has one at a time."""

    async def unit(conn: aiosqlite.Connection) -> None:
        row = (name, batch.epoch, batch.first_seq, batch.last_seq, batch.head, batch.body, batch.sealed_at)
        await conn.execute(_SQL["keep_sealed"], row)

    return unit


def drop_sealed(name: str = CATALOGUE) -> Unit:
    """A unit that lets go of a batch that will never be sent again: the next one is sealed anew."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["drop_sealed"], (name,))

    return unit


def settle(kept: KeptReceipt, *, now: int, name: str = CATALOGUE) -> Unit:
    """A unit that takes a verified receipt: it is kept, the reader moves on, the sealed bytes may go.

    Raises:
        IntegrityError: the reader does not stand where the receipt begins.
    """
    receipt = kept.receipt

    async def unit(conn: aiosqlite.Connection) -> None:
        before = await reader(conn, name)
        if before.acked_seq != receipt.first_seq - 1:
            raise IntegrityError(
                f"a receipt for seq {receipt.first_seq} came while {name} stands at {before.acked_seq}",
                hint="run: rewards-agent sync status",
            )
        place = (name, receipt.epoch, receipt.first_seq, receipt.last_seq)
        await conn.execute(_SQL["keep_receipt"], (*place, kept.body, kept.signature, now))
        await conn.execute(_SQL["drop_rejected"], (name, receipt.first_seq, receipt.last_seq))
        aside = [(name, item.seq, item.reason, now) for item in receipt.rejected]
        await conn.executemany(_SQL["keep_rejected"], aside)
        if aside:  # an old receipt that came again: what was accepted since stays accepted
            await conn.execute(_SQL["accepted_before"], (name, receipt.first_seq, receipt.last_seq))
        await conn.execute(_SQL["move_reader"], (name, receipt.last_seq, now))
        await conn.execute(_SQL["drop_sealed"], (name,))

    return unit


def stand_at(seq: int, *, now: int, name: str = CATALOGUE) -> Unit:
    """A unit that sets a reader to ``seq``, where a verified stand says the catalogue is; clears its fault."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["move_reader"], (name, seq, now))
        await conn.execute(_SQL["drop_sealed"], (name,))

    return unit


def note_failure(error: str, *, next_try_at: int, name: str = CATALOGUE) -> Unit:
    """A unit that counts a failed attempt and says when the next one is due: backoff survives a restart."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["note_failure"], (name, next_try_at, error))

    return unit


def forget_failure(name: str = CATALOGUE) -> Unit:
    """A unit that ends the backoff: the other side answers again and agrees."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["forget_failure"], (name,))

    return unit


def note_fault(fault: str, *, next_try_at: int, name: str = CATALOGUE) -> Unit:
    """A unit that stops a reader for an integrity fault; its sealed batch stays as evidence."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["note_fault"], (name, next_try_at, fault, fault))

    return unit


def standing(connection: sqlite3.Connection, name: str = CATALOGUE) -> dict[str, Any]:
    """Where a reader stands, for people: what JSON can carry."""
    found = {key: value for key, value in connection.execute("SELECT key, value FROM setting")}  # noqa: C416 - rows
    row = connection.execute(_SQL["reader"], (name,)).fetchone() or (0, 0, 0, "", None, "")
    acked_seq, attempts, next_try_at, last_error, last_ok_at, fault = row
    newest = connection.execute(_SQL["newest_seq"]).fetchone()[0]
    under_way = connection.execute(_SQL["sealed"], (name,)).fetchone()
    aside, accepted = connection.execute(_SQL["rejected_count"], (name,)).fetchone()
    return {
        "enrolled": {CAMPUS, AGENT, CATALOGUE_KEY} <= found.keys(),
        "campus": found.get(CAMPUS, ""),
        "agent": found.get(AGENT, ""),
        "epoch": int(found.get(EPOCH, "1")),
        "newest_seq": newest,
        "acked_seq": acked_seq,
        "waiting": newest - acked_seq,
        "sealed": None if under_way is None else {"first_seq": under_way[1], "last_seq": under_way[2]},
        "rejected": aside,
        "accepted_later": accepted,
        "attempts": attempts,
        "next_try_at": next_try_at,
        "last_error": last_error,
        "last_ok_at": last_ok_at,
        "fault": fault,
        "notice": found.get(NOTICE, ""),
        "clock_ahead_s": int(found.get(CLOCK, "0")),
    }


async def _row(conn: aiosqlite.Connection, sql: str, values: tuple[Any, ...]) -> Any:
    async with conn.execute(sql, values) as cursor:
        return await cursor.fetchone()
