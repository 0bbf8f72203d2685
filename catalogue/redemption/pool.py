"""Codes that a partner gave beforehand: imported once each, kept encrypted, given out one by one."""

from __future__ import annotations

import csv
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import CatalogueError
from catalogue.redemption.records import Redemption
from catalogue.redemption.vault import Vault
from catalogue.rewards import times

CODES_MAX = 100_000
"""Most codes in one file."""
CODE_CHARS_MAX = 200

_ADD = text(
    "INSERT INTO code (campus, owner, reward, digest, sealed, expires_at, imported_at)"
    " VALUES (:campus, :owner, :reward, :digest, :sealed, :expires_at, :now)"
    " ON CONFLICT (campus, owner, reward, digest) DO UPDATE SET redemption = NULL WHERE code.redemption = '-'"
)
WITHDRAWN = "-"
"""In place of a redemption: nobody gets it until somebody says so."""


class Code(NamedTuple):
    """One code; ``expires_at`` is when the partner no longer takes it, None is not known."""

    code: str
    expires_at: int | None


def read(text: str) -> list[Code]:
    """The codes of a file: one a line, or CSV with a header that names `code` and, if it likes, `expires_at`.

    Raises:
        CatalogueError: a line is no code; every bad line is told, and no code.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    header = [name.strip() for name in lines[0].split(",")] if lines else []
    named = "code" in header
    faults: list[str] = []
    found: list[Code] = []
    rows = csv.DictReader(lines, fieldnames=None if named else ["code"], restkey="")
    for number, row in enumerate(rows, start=2 if named else 1):
        code = (row.get("code") or "").strip()
        try:
            expires_at = times.moment((row.get("expires_at") or "").strip())
        except ValueError as exc:
            faults.append(f"line {number}, expires_at: {exc}")
            continue
        if not 1 <= len(code) <= CODE_CHARS_MAX or "" in row:
            faults.append(f"line {number}: a code has 1 to {CODE_CHARS_MAX} characters and no comma")
            continue
        found.append(Code(code, expires_at))
    if faults or len(found) > CODES_MAX:
        told = "\n  ".join(faults[:50] or [f"{len(found)} codes are more than {CODES_MAX}"])
        raise CatalogueError(f"no code was imported:\n  {told}", hint="a code on each line, or code,expires_at")
    return found


async def add(
    conn: AsyncConnection, safe: Vault, campus: str, owner: str, reward: str, codes: list[Code], *, now: int
) -> int:
    """Put codes into the pool; how many were new. One that was held back is free again."""
    before = await _count(conn, campus, owner, reward)
    place = {"campus": campus, "owner": owner, "reward": reward, "now": now}
    rows = [
        place | {"digest": digest, "sealed": safe.seal(one.code, digest.hex()), "expires_at": one.expires_at}
        for one in codes
        for digest in (safe.code_digest(one.code),)
    ]
    if rows:
        await conn.execute(_ADD, rows)
    return await _count(conn, campus, owner, reward) - before


async def withdraw(
    conn: AsyncConnection, safe: Vault, campus: str, owner: str, reward: str, codes: list[Code] | None
) -> int:
    """Hold free codes back, these or all; how many."""
    table = schema.code
    mine = (table.c.campus == campus, table.c.owner == owner, table.c.reward == reward, table.c.redemption.is_(None))
    held = update(table).where(*mine).values(redemption=WITHDRAWN)
    if codes is None:
        return (await conn.execute(held)).rowcount
    count = 0
    for one in codes:
        count += (await conn.execute(held.where(table.c.digest == safe.code_digest(one.code)))).rowcount
    return count


async def withdraw_all(conn: AsyncConnection, campus: str) -> int:
    """Hold all free codes of a campus back; how many."""
    table = schema.code
    mine = (table.c.campus == campus, table.c.redemption.is_(None))
    return (await conn.execute(update(table).where(*mine).values(redemption=WITHDRAWN))).rowcount


async def let_go(conn: AsyncConnection, campus: str, owner: str, reward: str) -> int:
    """Let codes be given out again that were held back; how many."""
    table = schema.code
    mine = (table.c.campus == campus, table.c.owner == owner, table.c.reward == reward)
    held = table.c.redemption == WITHDRAWN
    return (await conn.execute(update(table).where(*mine, held).values(redemption=None))).rowcount


async def free(conn: AsyncConnection, campus: str, owner: str, reward: str, *, now: int) -> int:
    """How many can still be given out."""
    return await conn.scalar(select(func.count()).where(*_free(campus, owner, reward, now))) or 0


async def take(conn: AsyncConnection, safe: Vault, made: Redemption, *, now: int) -> Code | None:
    """The oldest free code, which is this redemption's from now on, or nothing where there is none.

    The offer is held, so nobody else gives one out; one that is just being held back is left, for the next.
    """
    table = schema.code
    free_now = _free(made.campus, made.owner, made.reward, now)
    wanted = select(table.c.digest, table.c.sealed, table.c.expires_at).where(*free_now)
    while True:
        row = (await conn.execute(wanted.order_by(table.c.imported_at, table.c.digest).limit(1))).first()
        if row is None:
            return None
        taken = update(table).where(*free_now, table.c.digest == row.digest).values(redemption=made.redemption)
        if (await conn.execute(taken)).rowcount:
            return Code(safe.open(bytes(row.sealed), bytes(row.digest).hex()), row.expires_at)


async def _count(conn: AsyncConnection, campus: str, owner: str, reward: str) -> int:
    table = schema.code.c
    mine = (table.campus == campus, table.owner == owner, table.reward == reward)
    return await conn.scalar(select(func.count()).where(*mine)) or 0


def _free(campus: str, owner: str, reward: str, now: int) -> list[ColumnElement[bool]]:
    table = schema.code.c
    mine = [table.campus == campus, table.owner == owner, table.reward == reward, table.redemption.is_(None)]
    return [*mine, or_(table.expires_at.is_(None), table.expires_at > now)]
