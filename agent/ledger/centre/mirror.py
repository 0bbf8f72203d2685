"""The mirror of the centre's book: proven pages go in, never change, and are set aside where the catalogue lost them.

Functions that read take a read-only connection; functions that write are units for the writer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite

from agent import queries
from agent.errors import IntegrityError
from agent.ledger.delivery import Unit
from wire import chain, statement
from wire.statement import Line, Page

_SQL = queries.load("agent.ledger.centre", "mirror.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How far the catalogue was heard. ``head`` (32 bytes) is the chain's after movement ``upto``.

    At ``at`` (its clock, 0: never) it had posted our entries up to ``seq``.
    """

    upto: int
    head: bytes
    seq: int
    at: int
    attempts: int
    next_try_at: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where a kept page ended; page 0 is before the first."""

    page_no: int
    upto: int
    head: bytes


BEGINNING = End(page_no=0, upto=0, head=chain.GENESIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A proven page as it came, with the header lines that sign it; ``agent`` is who it is told to."""

    page: Page
    signature: str
    agent: str


async def stand(conn: aiosqlite.Connection) -> Stand:
    """How far the catalogue was heard."""
    upto, seq, at, attempts, next_try_at, last_error = await _row(conn, _SQL["stand"])
    head = await _row(conn, _SQL["head"])
    return Stand(
        upto=upto,
        head=chain.GENESIS if head is None else bytes(head[0]),
        seq=seq,
        at=at,
        attempts=attempts,
        next_try_at=next_try_at,
        last_error=last_error,
    )


async def ends(conn: aiosqlite.Connection) -> list[End]:
    """Where the pages that stand ended, the newest first; last the beginning of everything."""
    rows = await conn.execute_fetchall(_SQL["ends"])
    return [*(End(page_no=no, upto=upto, head=bytes(head)) for no, upto, head in rows), BEGINNING]


def keep(kept: Kept, *, now: int) -> Unit:
    """A unit that keeps a proven page, with all that follows from it.

    Raises:
        IntegrityError: the page does not go on where the mirror stands.
    """
    header = kept.page.header

    async def unit(conn: aiosqlite.Connection) -> None:
        before = await stand(conn)
        if (before.upto, before.head) != (header.after, header.previous):
            raise IntegrityError(
                f"a page of the statement after {header.after} came while the mirror stands at {before.upto}",
                hint="run: rewards-agent sync status",
            )
        if kept.page.lines:
            await _keep_lines(conn, kept, now)
        await conn.execute(_SQL["heard"], (header.upto, header.seq, header.at))

    return unit


def back_to(end: End, *, now: int) -> Unit:
    """A unit that sets the pages aside that the catalogue no longer knows; what is told anew follows ``end``."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["void"], (now, end.page_no))
        await conn.execute(_SQL["no_longer_accepted"], (end.upto,))
        await conn.execute(_SQL["set_back"], (end.upto,))

    return unit


def note_failure(error: str, *, next_try_at: int) -> Unit:
    """A unit that counts a failed attempt and says when the next one is due."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(_SQL["failed"], (next_try_at, error))

    return unit


def told(connection: sqlite3.Connection) -> dict[str, Any]:
    """Where the mirror stands, for people: what JSON can carry."""
    _, seq, at, _, next_try_at, last_error = connection.execute(_SQL["stand"]).fetchone()
    lines, newest = connection.execute(_SQL["lines"]).fetchone()
    return {
        "as_of": at,
        "posted_seq": seq,
        "lines": lines,
        "newest_at": newest,
        "lost": len(lost(connection)),
        "next_try_at": next_try_at,
        "last_error": last_error,
    }


def undelivered(connection: sqlite3.Connection, learner: str) -> int:
    """How many entries of a learner (``<site>:<LMS user id>``) the catalogue did not have when it was last heard."""
    (count,) = connection.execute(_SQL["undelivered"], (learner,)).fetchone()
    return int(count)


def lost(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """What the catalogue told once and no longer knows: {no, kind, learner, currency, amount, ref, posted_at}."""
    names = ("no", "kind", "learner", "currency", "amount", "ref", "posted_at")
    return [dict(zip(names, row, strict=True)) for row in connection.execute(_SQL["lost"])]


async def _keep_lines(conn: aiosqlite.Connection, kept: Kept, now: int) -> None:
    page, header = kept.page, kept.page.header
    (page_no,) = await _row(conn, _SQL["next_page"])
    whole = (page_no, header.after, header.upto, header.head, page.header_body, kept.signature, now)
    await conn.execute(_SQL["keep_page"], whole)
    rows = [(page_no, line.no, body, *beside(line, kept.agent)) for line, body in page.lines]
    await conn.executemany(_SQL["keep_line"], rows)
    accepted = [line for line, _ in page.lines if line.kind == statement.ACCEPTED]
    places = [(seq_of(line.after, kept.agent), line.no, seq_of(line.ref, kept.agent)) for line in accepted]
    await conn.executemany(_SQL["accept"], places)


def beside(line: Line, agent: str) -> Sequence[Any]:
    """The columns beside a line's bytes."""
    of_entry = line.kind in {statement.ACCEPTED, statement.WAIVER}
    return (
        line.learner,
        line.currency,
        line.kind,
        line.amount,
        line.waived,
        line.ref.removeprefix(f"{agent}/"),
        line.about.removeprefix(f"{agent}/"),
        seq_of(line.after, agent),
        seq_of(line.ref, agent) if of_entry else None,
        line.occurred_at,
        line.posted_at,
    )


def seq_of(ref: str, agent: str) -> int:
    """The seq of the entry that is named ``<agent>/<epoch>-<seq>``; 0 where it is no entry of this agent."""
    owner, _, entry_id = ref.partition("/")
    seq = entry_id.rpartition("-")[2]
    return int(seq) if owner == agent and seq.isascii() and seq.isdecimal() else 0


async def _row(conn: aiosqlite.Connection, sql: str) -> Any:
    async with conn.execute(sql) as cursor:
        return await cursor.fetchone()
