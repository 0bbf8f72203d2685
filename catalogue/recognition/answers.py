"""What was asked under a key and refused stays refused when it comes once more (docs/adr/0103)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.recognition import records
from catalogue.store import Store

T = TypeVar("T")

KEY_CHARS_MAX = 100
_UNREAD = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Something asked of a campus once: ``key`` is the asker's name for it, ``what`` and ``said`` what it is.

    Answers to redemptions stand in the same table, under keys alone: ``what`` and a blank tell these apart.
    """

    campus: str
    what: str
    key: str
    said: Sequence[str]

    @property
    def name(self) -> str:
        """Under what its answer is kept."""
        return f"{self.what} {self.key}"

    @property
    def digest(self) -> bytes:
        """Of what is asked for, 32 bytes: under one key one thing."""
        return hashlib.sha256(orjson.dumps([*self.said])).digest()


async def once(
    store: Store, asked: Asked, doing: Callable[[AsyncConnection], Awaitable[tuple[T, bool]]], *, now: int
) -> tuple[T, bool]:
    """What ``doing`` comes to (which says whether it is new) in a transaction of its own; a no is kept with it.

    What cannot be read (400) is no answer: mended, it may come under its key.

    Raises:
        RefusedError: something stands against it, or stood when it came first.
    """
    if not 1 <= len(asked.key) <= KEY_CHARS_MAX * 2 or not asked.key.isprintable():
        raise RefusedError(400, "key", f"key is 1 to {KEY_CHARS_MAX} printable characters")
    async with store.writing() as conn:
        answer = await _answered(conn, asked, doing, now=now)
    if isinstance(answer, RefusedError):
        raise answer
    return answer


async def _answered(
    conn: AsyncConnection, asked: Asked, doing: Callable[[AsyncConnection], Awaitable[tuple[T, bool]]], *, now: int
) -> tuple[T, bool] | RefusedError:
    await records.hold(conn, asked.campus)  # an equal one waits for its answer
    if (before := await _kept(conn, asked)) is not None:
        return before
    try:
        return await doing(conn)
    except RefusedError as refused:
        if refused.status != _UNREAD and refused.code != "key":
            said = {"status": refused.status, "code": refused.code, "message": refused.message}
            row = {"campus": asked.campus, "key": asked.name, "asked": asked.digest, "answered_at": now}
            await conn.execute(insert(schema.wish), row | said)
        return refused


async def _kept(conn: AsyncConnection, asked: Asked) -> RefusedError | None:
    table = schema.wish.c
    mine = (table.campus == asked.campus, table.key == asked.name)
    row = (await conn.execute(select(schema.wish).where(*mine))).first()
    if row is None:
        return None
    if row.asked != asked.digest:
        return RefusedError(409, "key", "another was asked for under this key: take another key")
    return RefusedError(row.status, row.code, row.message)
