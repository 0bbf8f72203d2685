"""Codes that a partner gave beforehand: imported once each, kept encrypted, given out one by one."""

from __future__ import annotations

import contextlib
import csv
from operator import itemgetter
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
    header = _header(lines[0] if lines else "")
    faults: list[str] = []
    found: list[Code] = []
    for number, line in enumerate(lines[header.lines :], start=1 + header.lines):
        try:
            found += [header.read(line)] if line.strip() else []
        except ValueError as exc:
            faults.append(f"line {number}{exc}")
    if faults or len(found) > CODES_MAX:
        told = "\n  ".join(faults[:50] or [f"{len(found)} codes are more than {CODES_MAX}"])
        raise CatalogueError(f"no code was imported:\n  {told}", hint="a code on each line, or code,expires_at")
    return found


class _Header(NamedTuple):
    """What the cells of a line are, by place; ``lines`` is how many the header itself takes."""

    columns: tuple[str, ...] = ("code",)
    delimiter: str = ","
    lines: int = 0

    def read(self, line: str) -> Code:
        """The code of a line. Each line is read by itself: a quotation mark in one does not swallow the next.

        Raises:
            ValueError: it is none; what is to be said behind the number of the line.
        """
        try:
            cells = _cells(line, self.delimiter)
        except csv.Error as exc:
            raise ValueError(f": {exc}: is there a quotation mark too many?") from None
        said = dict(zip(self.columns, cells, strict=False))
        code = said.get("code", "")
        if not 1 <= len(code) <= CODE_CHARS_MAX or len(cells) > len(self.columns):
            raise ValueError(f": a code has 1 to {CODE_CHARS_MAX} characters and no comma")
        try:
            return Code(code, times.moment(said.get("expires_at")))
        except ValueError as exc:
            raise ValueError(f", expires_at: {exc}") from None


def _header(line: str) -> _Header:
    """What the first line says of the others: nothing, where it is a code itself. Spreadsheets may part by `;`."""
    for delimiter in (",", ";"):
        with contextlib.suppress(csv.Error):
            names = tuple(name.casefold() for name in _cells(line, delimiter))
            if "code" in names:
                return _Header(names, delimiter, 1)
    return _Header()


def _cells(line: str, delimiter: str) -> list[str]:
    (cells,) = csv.reader([line], delimiter=delimiter, strict=True)
    return [cell.strip() for cell in cells]


async def add(
    conn: AsyncConnection, safe: Vault, campus: str, owner: str, reward: str, codes: list[Code], *, now: int
) -> int:
    """Put codes into the pool; how many were new. One that was held back is free again."""
    before = await _count(conn, campus, owner, reward)
    place = {"campus": campus, "owner": owner, "reward": reward, "now": now}
    # In one order: two files with the same codes may be imported at once.
    rows = [
        place | {"digest": digest, "sealed": safe.seal(one.code, digest.hex()), "expires_at": one.expires_at}
        for digest, one in sorted(((safe.code_digest(one.code), one) for one in codes), key=itemgetter(0))
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
    for digest in sorted({safe.code_digest(one.code) for one in codes}):
        count += (await conn.execute(held.where(table.c.digest == digest))).rowcount
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
