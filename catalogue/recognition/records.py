"""Recognitions as they are kept, each campus's in one row of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.schema import recognition

KUDOS, AWARD = "kudos", "award"
SHOWN, HIDDEN, REVOKED, ERASED = "shown", "hidden", "revoked", "erased"
ID_MAX = 2**63 - 1
A_SECOND = 1_000
"""More than a campus recognises in one, whatever time it takes."""
PASSED_OVER = 1_000_000
"""More than it recognises between a backup and the day on which it is put back."""

_HOLD = text(
    "INSERT INTO recognition_head (campus, no) VALUES (:campus, 0)"
    " ON CONFLICT (campus) DO UPDATE SET no = recognition_head.no RETURNING no"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """One as it is kept; the columns are those of `catalogue.schema.recognition`, times are seconds UTC."""

    campus: str
    no: int
    key: str
    kind: str
    giver: str
    receiver: str
    about: str
    seen: str
    given_at: int
    given_by: str
    state: str = SHOWN
    ended_no: int | None = None
    ended_at: int | None = None
    ended_by: str = ""
    why: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        """Giver and receiver."""
        return self.giver, self.receiver


async def hold(conn: AsyncConnection, campus: str) -> int:
    """The last number of a campus, whose recognitions nobody else changes until the transaction ends."""
    return int((await conn.execute(_HOLD, {"campus": campus})).scalar_one())


async def number(conn: AsyncConnection, campus: str, no: int) -> None:
    """Say that a number was given out; the head is held."""
    table = schema.recognition_head
    await conn.execute(update(table).where(table.c.campus == campus).values(no=no))


async def pass_over(conn: AsyncConnection, campus: str, *, at: int) -> None:
    """Go on with numbers of this time (seconds UTC): what was given out behind an older copy, the campus has heard of.

    So one copy can be put back again and again. Where the clock is behind, it is the next million.
    """
    last = await hold(conn, campus)
    await number(conn, campus, max((last // PASSED_OVER + 1) * PASSED_OVER, at * A_SECOND))


async def add(conn: AsyncConnection, one: Recognition) -> None:
    """Keep a new one."""
    await conn.execute(insert(recognition), {name: getattr(one, name) for name in Recognition.__slots__})
    await number(conn, one.campus, one.no)


async def find(conn: AsyncConnection, campus: str, no: int) -> Recognition | None:
    """The one of a number."""
    return await _one(conn, campus, recognition.c.no == no)


async def need(conn: AsyncConnection, campus: str, no: int, *, kind: str | None = None) -> Recognition:
    """The one of a number.

    Raises:
        RefusedError: (404) there is none, or it is of another kind, or erased.
    """
    one = await find(conn, campus, no) if 0 < no <= ID_MAX else None
    if one is None or kind not in {None, one.kind} or one.state == ERASED:
        raise unknown(kind)
    return one


def unknown(kind: str | None = None) -> RefusedError:
    """What is said where there is nothing to be seen."""
    return RefusedError(404, "unknown-recognition", f"there is no such {kind or 'recognition'} that may be seen here")


async def by_key(conn: AsyncConnection, campus: str, key: str) -> Recognition | None:
    """The one that was given under a key."""
    return await _one(conn, campus, recognition.c.key == key)


async def change(conn: AsyncConnection, one: Recognition, **values: Any) -> None:
    """Write other values into one."""
    mine = (recognition.c.campus == one.campus, recognition.c.no == one.no)
    await conn.execute(update(recognition).where(*mine).values(**values))


def read(row: Any) -> Recognition:
    """One from a row that has all columns."""
    return Recognition(**{name: row._mapping[name] for name in Recognition.__slots__})  # noqa: SLF001 - public name


async def _one(conn: AsyncConnection, campus: str, where: Any) -> Recognition | None:
    row = (await conn.execute(select(recognition).where(recognition.c.campus == campus, where))).first()
    return None if row is None else read(row)
